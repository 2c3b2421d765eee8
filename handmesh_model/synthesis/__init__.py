"""The open hand and pictures made from it: model, poses, renderer, scenes."""
