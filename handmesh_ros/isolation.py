"""Keeps the demo's and the tests' nodes to themselves."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

# Up to 101 every domain's ports stay below those that Linux hands out to others.
HIGHEST_DOMAIN = 101
USERS_DOMAIN = 73
"""Where env.sh puts the users' own nodes, unless they choose another."""
FASTDDS_PROFILES = Path(__file__).resolve().with_name('fastdds.xml')
"""
Gives Fast DDS room for images, 18 MB of /dev/shm a process; other kinds of DDS do not look at it.
"""


@functools.cache
def own_domain() -> int:
    """
    A domain that no other process has got from here, as long as one is free; always the same one.

    It is claimed by the name of a socket without a file. Like the ports of a domain, such a name
    is there once for all users of this machine, and the end of the process frees it. A process
    that is forked shares its parent's. Where no name can be claimed, others may have it, too.
    """
    domains = [n for n in range(1, HIGHEST_DOMAIN + 1) if n != USERS_DOMAIN]
    # Others that know nothing of the claims are avoided as well as may be.
    first = os.getpid() % len(domains)
    for domain in domains[first:] + domains[:first]:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as claim:
            claim.bind(f'\0handmesh_ros domain {domain}')
            claim.detach()  # open, and so held, until this process ends
            return domain
    return domains[first]


def isolated_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    An environment for processes that talk to each other over DDS and to nobody else.

    Discovery stays on this machine, in a domain that this process keeps to itself until it ends,
    so that two demos or test runs beside each other do not meet either.

    :param base: what to start from; the environment of this process by default.
    :returns: a copy with the domain and the discovery settings replaced, and with room for images
        unless the user has profiles of their own.
    """
    environment = dict(os.environ if base is None else base)
    environment['ROS_DOMAIN_ID'] = str(own_domain())
    environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    environment['ROS_STATIC_PEERS'] = ''
    # The older setting of the same purpose would overrule the newer ones.
    environment.pop('ROS_LOCALHOST_ONLY', None)
    # Jazzy's Fast DDS knows the older name alone, and later ones warn of it.
    older = environment.get('ROS_DISTRO') == 'jazzy'
    name = 'FASTRTPS_DEFAULT_PROFILES_FILE' if older else 'FASTDDS_DEFAULT_PROFILES_FILE'
    environment.setdefault(name, str(FASTDDS_PROFILES))
    return environment
