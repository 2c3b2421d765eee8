# Source this after `make setup` (or `make demo`, `make test`), with bash or zsh:
#
#   source env.sh
#   python -m handmesh_ros.handmesh_node --ros-args -r image:=/camera/image_raw
#
# It activates the Python environment in .venv, the ROS that set-up found or made, and install/.

if [ -n "${BASH_VERSION:-}" ]; then
    _handmesh_root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    _handmesh_shell=bash
else
    _handmesh_root=$(cd "$(dirname "$0")" && pwd)
    _handmesh_shell=zsh
fi
_handmesh_venv=$_handmesh_root/.venv

# Puts a folder in front of a list variable, once.
_handmesh_prepend() {
    eval "_handmesh_list=\${$1:-}"
    case ":$_handmesh_list:" in
        *":$2:"*) ;;
        *) export "$1=$2${_handmesh_list:+:$_handmesh_list}" ;;
    esac
    unset _handmesh_list
}

if [ ! -f "$_handmesh_root/install/setup.sh" ] || [ ! -f "$_handmesh_venv/.handmesh/build" ]; then
    echo "handmesh_ros is not set up in $_handmesh_root: run 'make setup' there first" >&2
    unset -f _handmesh_prepend
    unset _handmesh_root _handmesh_venv _handmesh_shell
    return 1
fi

if [ "$(cat "$_handmesh_venv/.handmesh/mode")" = wheels ]; then
    for _handmesh_folder in "$_handmesh_venv"/lib/python3.*/site-packages/ros_*.libs; do
        [ -d "$_handmesh_folder" ] && _handmesh_prepend LD_LIBRARY_PATH "$_handmesh_folder"
    done
    _handmesh_prepend LD_LIBRARY_PATH "$_handmesh_venv/lib"
    _handmesh_prepend LD_LIBRARY_PATH "$_handmesh_root/install/handmesh_ros/lib"
    for _handmesh_folder in "$_handmesh_venv" "$_handmesh_root/install/handmesh_ros"; do
        _handmesh_prepend AMENT_PREFIX_PATH "$_handmesh_folder"
        _handmesh_prepend CMAKE_PREFIX_PATH "$_handmesh_folder"
    done
    for _handmesh_folder in "$_handmesh_root"/install/handmesh_ros/lib/python3.*/site-packages; do
        _handmesh_prepend PYTHONPATH "$_handmesh_folder"
    done
    # The wheels would otherwise start every Python twice to set the library path.
    export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
    # No ROS of the user's own is here to be found: keep to this machine, out of the way of others.
    export ROS_DOMAIN_ID="${ROS_DOMAIN_ID:-73}"
    export ROS_AUTOMATIC_DISCOVERY_RANGE="${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
    # Shared memory with room for camera images.
    export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$_handmesh_root/handmesh_ros/fastdds.xml}"
else
    . "$_handmesh_root/install/setup.$_handmesh_shell"
fi
. "$_handmesh_venv/bin/activate"

unset -f _handmesh_prepend
unset _handmesh_root _handmesh_venv _handmesh_shell _handmesh_folder
