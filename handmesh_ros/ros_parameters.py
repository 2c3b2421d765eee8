"""Brings a table of :mod:`handmesh_ros.parameters` to a node: declare, read, and guard changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Generic

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from handmesh_model.errors import ConfigError
from handmesh_ros.parameters import (
    Row,
    Settings,
    check_together,
    check_value,
    defaults,
    rows,
    settings_from,
)

_REMEDIES = {
    'configures': 'clean the node up before changing it',
    'starts': 'start it anew to change it',
}
_NOT_OURS = ('use_sim_time', 'start_type_description_service')


def descriptor(row: Row, default: Any, reads: str) -> ParameterDescriptor:
    """
    What ROS tells users about a parameter.

    :param reads: what the node does when it reads those that are read once, such as 'starts'.
    """
    constraints = []
    if row.choices:
        constraints.append('one of ' + ', '.join(row.choices))
    if row.at_most:
        constraints.append(f'at most {row.at_most}')
    if row.read_only:
        constraints.append(f'read when the node {reads}')
    message = ParameterDescriptor(
        description=row.description, additional_constraints='; '.join(constraints)
    )
    if row.low is None or row.high is None:
        return message
    low = row.low if row.special is None else min(row.low, row.special)
    high = row.high if row.special is None else max(row.high, row.special)
    if type(default) is int:
        message.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    else:
        span = FloatingPointRange(from_value=float(low), to_value=float(high))
        message.floating_point_range = [span]
    return message


class ParameterServer(Generic[Settings]):
    """
    The parameters of one node, always as one frozen, checked whole.

    :param node: declares them there at once.
    :param table: their table, a dataclass of :mod:`handmesh_ros.parameters`.
    :param is_configured: tells whether read-only parameters of a lifecycle node are fixed by now;
        None for a node without a life cycle, whose are fixed from its start on.
    :ivar faults: why each wrong start value is wrong; such a parameter holds its default until a
        good value is set.
    """

    def __init__(
        self,
        node: Node,
        table: type[Settings],
        is_configured: Callable[[], bool] | None = None,
    ) -> None:
        self._node = node
        self._table = table
        self._is_configured = is_configured or (lambda: True)
        self._reads = 'starts' if is_configured is None else 'configures'
        self.faults: dict[str, str] = {}
        self.settings = settings_from(table, {n: self._declare(n) for n in defaults(table)})
        self._warn_of_unknown()
        node.add_on_set_parameters_callback(self._on_set)

    def check(self) -> Settings:
        """
        The values to work with.

        :raises ConfigError: if a start value was wrong, by itself or beside another one, and
            nobody has set a good one since.
        """
        if self.faults:
            raise ConfigError('; '.join(self.faults.values()))
        check_together(self.settings)
        return self.settings

    def _declare(self, name: str) -> Any:
        default = defaults(self._table)[name]
        about = descriptor(rows(self._table)[name], default, self._reads)
        override = self._overrides().get(name)
        if override is not None:
            try:
                checked = check_value(self._table, name, override.value)
                self._node.declare_parameter(name, checked, about, ignore_override=True)
                return checked
            except (
                ConfigError,
                InvalidParameterTypeException,
                InvalidParameterValueException,
            ) as error:
                self.faults[name] = str(error)
        self._node.declare_parameter(name, default, about, ignore_override=True)
        return default

    def _overrides(self) -> dict[str, Parameter]:
        # rclpy tells of them nowhere else; without the field, all would be passed over in silence.
        return self._node._parameter_overrides

    def _warn_of_unknown(self) -> None:
        known = defaults(self._table)
        for name in self._overrides():
            if name not in known and name not in _NOT_OURS and not name.startswith('qos_'):
                self._node.get_logger().warning(
                    f"parameter '{name}' is unknown and has no effect; known are "
                    f'{", ".join(known)}'
                )

    def _on_set(self, changes: Iterable[Parameter]) -> SetParametersResult:
        """Take a set of changes whole, or refuse it whole and say why."""
        ours = [change for change in changes if change.name in defaults(self._table)]
        values = {}
        for change in ours:
            try:
                value = check_value(self._table, change.name, change.value)
            except ConfigError as error:
                return SetParametersResult(successful=False, reason=str(error))
            # What says no more than what is, as a file of all parameters does, changes nothing.
            is_other = value != getattr(self.settings, change.name)
            if is_other and rows(self._table)[change.name].read_only and self._is_configured():
                return SetParametersResult(
                    successful=False,
                    reason=f"parameter '{change.name}' is read when the node {self._reads}; "
                    f'{_REMEDIES[self._reads]}',
                )
            values[change.name] = value
        changed = replace(self.settings, **values)  # type: ignore[type-var]
        try:
            check_together(changed, values)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.settings = changed
        for name in values:
            self.faults.pop(name, None)
        return SetParametersResult(successful=True)
