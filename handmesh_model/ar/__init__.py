"""Virtual things around real hands: drawn, pushed, held, poured, pressed. Knows no ROS."""
