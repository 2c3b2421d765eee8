#!/usr/bin/env bash
# Sets up everything that the demo, the tests and the nodes need: Python packages and, where no ROS 2 is
# sourced, a ROS 2 made of wheels in .venv; the messages in install/. What is set up already is left alone.
#
#   PYTHON       interpreter to use; default: the first fitting one of python3, python3.12, ...
#   TORCH_INDEX  package index to take PyTorch from; default: pip's own; naming another later installs it anew
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
venv=$root/.venv
stamps=$venv/.handmesh
torch_version=2.13.0

say() { printf '== %s\n' "$*"; }
fail() { printf 'handmesh_ros set-up: %s\n' "$*" >&2; exit 1; }

# quietly LOG COMMAND...: runs the command; its output is shown only if it fails.
quietly() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 && return
    tail -n 60 "$log" >&2
    fail "'$*' failed; all of its output is in $log"
}

# stage NAME FINGERPRINT TEXT FUNCTION: runs the function unless it ran with this fingerprint before.
stage() {
    [ "$(cat "$stamps/$1" 2>/dev/null)" = "$2" ] && return
    say "$3"
    local started=$SECONDS
    rm -f "$stamps/$1"
    "$4"
    printf '%s' "$2" >"$stamps/$1"
    say "done after $((SECONDS - started)) s"
}

fingerprint() { printf '%s\n' "$@" | cksum | tr -d ' '; }
contents() { cat "$@" | cksum; }

# --- Which ROS -------------------------------------------------------------------------------------------

# A ROS 2 that is sourced is used; env.sh sets no ROS_DISTRO for the one made of wheels.
ros=wheels
if [ -n "${ROS_DISTRO:-}" ]; then
    [ "${ROS_VERSION:-2}" = 2 ] || fail "ROS $ROS_VERSION ($ROS_DISTRO) is sourced; ROS 2 is needed"
    case $ROS_DISTRO in
        foxy | galactic | humble | iron) fail "ROS 2 $ROS_DISTRO is sourced; Jazzy or newer is needed" ;;
    esac
    ros=$ROS_DISTRO
fi

# --- Which Python ----------------------------------------------------------------------------------------

fits() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' \
        >/dev/null 2>&1 || return 1
    # Another Python than the one that a sourced ROS was built for cannot load it.
    [ "$ros" = wheels ] || "$1" -c 'import rclpy' >/dev/null 2>&1
}

# version_of PYTHON: as 3.12; made_with: that of the Python that .venv was made with.
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }
made_with() { sed -n 's/^version *= *\([0-9]*\.[0-9]*\).*/\1/p' "$venv/pyvenv.cfg"; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.13 python3.10 python3.14 /usr/bin/python3}; do
        if fits "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    if [ "$ros" = wheels ]; then
        fail "no Python 3.10 to 3.14 with its venv module among ${PYTHON:-python3, python3.10 ... python3.14}" \
            "(Debian, Ubuntu: apt install python3-venv; or name one: make setup PYTHON=...)"
    fi
    fail "ROS 2 $ros is sourced, but none of ${PYTHON:-python3, /usr/bin/python3} imports rclpy and has the venv" \
        "module (apt install python3-venv ros-$ros-rclpy; or name one: make setup PYTHON=...)"
}

check_compiler() {
    command -v c++ >/dev/null || command -v g++ >/dev/null \
        || fail 'no C++ compiler found (Debian, Ubuntu: apt install g++)'
    "$1" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' \
        || fail "$1 comes without its header files (Debian, Ubuntu: apt install python3-dev)"
}

make_venv() {
    local python
    python=$(find_python)
    check_compiler "$python"
    local options=()
    # A full ROS keeps catkin_pkg, empy and others of its needs among the system's packages.
    [ "$ros" = wheels ] || options=(--system-site-packages)
    # Set up before, with a Python that is gone: what it has left here and in what was built for it is of no use.
    if [ -f "$stamps/mode" ]; then
        options+=(--clear)
        rm -rf build install
    fi
    "$python" -m venv "${options[@]}" "$venv"
    mkdir -p "$stamps"
    printf '%s' "$ros" >"$stamps/mode"
    printf '%s' "$root" >"$stamps/root"
}

# --- What goes in ----------------------------------------------------------------------------------------

pip_install() {
    local log=$stamps/$1.log
    shift
    quietly "$log" "$venv/bin/python" -m pip install --disable-pip-version-check --no-compile "$@"
}

has_module() { "$venv/bin/python" -c "import $1" >/dev/null 2>&1; }

constraints() {
    # A full ROS was compiled for the numpy beside it.
    if [ "$ros" != wheels ]; then
        "$venv/bin/python" -c 'import numpy; print("numpy==" + numpy.__version__)' 2>/dev/null || true
    fi >"$stamps/constraints.txt"
}

install_torch() {
    local options=()
    if [ -n "${TORCH_INDEX:-}" ]; then
        options=(--index-url "$TORCH_INDEX")
        # To pip the same version from elsewhere is as good.
        ! has_module torch || pip_install torch "${options[@]}" --no-deps --force-reinstall "torch==$torch_version"
    elif has_module torch; then
        return
    fi
    pip_install torch -c "$stamps/constraints.txt" "${options[@]}" "torch==$torch_version"
}

install_packages() {
    local extras=ar,bags,benchmark,cpu,export,train,dev more=()
    if [ "$ros" = wheels ]; then
        extras=$extras,ros-wheels
    else
        command -v colcon >/dev/null || more+=(colcon-common-extensions)
        has_module cv_bridge || more+=(rosbags-image)
    fi
    command -v cmake >/dev/null || more+=(cmake)
    pip_install packages -c "$stamps/constraints.txt" -e "$root[$extras]" "${more[@]}"
}

complete_ros() { quietly "$stamps/ros.log" "$venv/bin/python" tools/ros_from_wheels.py; }

build() {
    local options=(-DBUILD_TESTING=OFF -DPython3_EXECUTABLE="$venv/bin/python" -DPython3_FIND_VIRTUALENV=ONLY)
    quietly "$stamps/build.log" colcon build --symlink-install --cmake-args "${options[@]}"
}

# --- Doing it --------------------------------------------------------------------------------------------

# Two set-ups of one folder at a time would get in each other's way.
exec 9<Makefile
! command -v flock >/dev/null || flock 9

if [ -f "$stamps/mode" ] && [ "$(cat "$stamps/mode")" != "$ros" ]; then
    fail "$venv was set up for ROS '$(cat "$stamps/mode")', now it is '$ros'; 'make clean' removes what is set up"
fi
# What is in it names its place in full: in a copy, activating it would activate the original.
if [ -f "$stamps/root" ] && ! [ "$(cat "$stamps/root")" -ef "$root" ]; then
    fail "$venv was set up as $(cat "$stamps/root")/.venv and only works there; 'rm -r .venv build install' removes" \
        "it, then set up again"
fi
if [ -f "$stamps/mode" ] && [ -x "$venv/bin/python" ]; then
    python=$venv/bin/python
    [ -z "${PYTHON:-}" ] || python=$(find_python)
    if [ "$(version_of "$python")" != "$(made_with)" ]; then
        fail "$venv was set up with Python $(made_with), $python is $(version_of "$python");" \
            "'make clean' removes what is set up"
    fi
else
    say "Python environment in .venv, ROS: $ros"
    make_venv
fi

export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
if [ "$ros" = wheels ]; then
    export AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv
fi
unset PYTHONHOME

torch=$torch_version${TORCH_INDEX:+ from $TORCH_INDEX}
if [ -z "${TORCH_INDEX:-}" ] && grep -qs "^$torch_version from " "$stamps/torch"; then
    torch=$(cat "$stamps/torch")
fi

constraints
stage torch "$torch" 'PyTorch (some minutes where it has to be downloaded)' install_torch
stage packages "$(fingerprint "$root" "$(contents pyproject.toml)")" 'Python packages' install_packages
if [ "$ros" = wheels ]; then
    stage ros "$(fingerprint "$(cat "$stamps/packages")" "$(contents tools/ros_from_wheels.py)")" \
        'ROS out of wheels: fitting it to this machine' complete_ros
fi
[ -f install/setup.sh ] || rm -f "$stamps/build"
# Files are linked into install/, so that only new names and what is generated call for another build.
names=$(find handmesh_model handmesh_ros launch config -type f -not -path '*/__pycache__/*' | sort)
stage build "$(fingerprint "$root" "$names" "$(contents CMakeLists.txt package.xml msg/* srv/* tools/executable.py.in)")" \
    'Messages and nodes into install/' build
