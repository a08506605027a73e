"""The common base of pedalboard's effects: one plugin for each channel, and their state."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np
from torch import Tensor

from effects.processors.processor import Arrays, Processor, State
from vocoders.core.errors import ConfigError

__all__ = ["LivePlugin", "Plugin", "PluginState"]

Settings = Mapping[str, Any]


class Plugin(Processor):
    """An effect of pedalboard without state.

    Each channel of each item has its own plugin, so channels do not influence each other.

    Attributes:
        plugin: name of its class in pedalboard.
        arguments: pedalboard's name of each knob; a name in ``_ms`` takes milliseconds.
    """

    package = "pedalboard"
    plugin: ClassVar[str]
    arguments: ClassVar[Mapping[str, str]]

    @property
    def plugin_class(self) -> Any:
        """The class in pedalboard."""
        self.check_available()
        import pedalboard

        return getattr(pedalboard, self.plugin)

    def make(self, settings: Settings) -> Any:
        """Return a new plugin."""
        return self.plugin_class(**settings)

    def settings(self, values: Arrays, item: int) -> dict[str, Any]:
        """Return the arguments of an item's plugins."""
        return {
            argument: float(values[knob][item]) * (1000 if argument.endswith("_ms") else 1)
            for knob, argument in self.arguments.items()
        }

    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        settings = [self.settings(values, item) for item in range(len(x))]
        return _Rack(self, settings, x.shape[1], sample_rate).run(x, settings), {}


class LivePlugin(Plugin):
    """An effect of pedalboard with state.

    pedalboard does not expose the state of a plugin, so our state contains the plugins and moves with its stream
    (:class:`PluginState`). The initial state contains no plugins and is an ordinary one.
    """

    has_live_state = True

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        return {"position": np.zeros((batch, channels), dtype=np.int64)}

    def _keep(self, state: State) -> State:
        return state

    def _advance(self, x: np.ndarray, values: Arrays, sample_rate: int, state: State) -> tuple[np.ndarray, State]:
        settings = [self.settings(values, item) for item in range(len(x))]
        if (state["position"] == 0).all():
            rack = _Rack(self, settings, x.shape[1], sample_rate)
        else:
            rack = self._rack(state, sample_rate)
        y = rack.run(x, settings)
        return y, PluginState(rack, state["position"] + x.shape[-1])

    def _rack(self, state: State, sample_rate: int) -> "_Rack":
        """Return the plugins with which a stream continues."""
        if not isinstance(state, PluginState):
            found = f"state of '{self.name}' without its plugins: it was copied or read from a file"
            raise ConfigError(f"{found}; continue with the state that process returned, or start a new stream")
        rack = state.rack
        if (rack.name, rack.sample_rate) != (self.name, sample_rate):
            found = f"state of '{rack.name}' at {rack.sample_rate} Hz"
            raise ConfigError(f"{found} for '{self.name}' at {sample_rate} Hz; start a new stream")
        if (state["position"] != rack.position).any():
            found = f"state of '{self.name}' at sample {int(state['position'].max())}, its plugins at {rack.position}"
            raise ConfigError(f"{found}: it can be continued once; start a new stream")
        return rack


class PluginState(dict[str, Tensor]):
    """The position of a stream through live plugins, and the plugins.

    The plugins advance with the stream, so a state can be continued once. It cannot be copied, saved or sent to another
    process; a dictionary copied entry by entry lacks the plugins and is refused.

    Attributes:
        rack: the plugins.

    Raises:
        ConfigError: if it is copied or saved.
    """

    def __init__(self, rack: "_Rack", position: Tensor) -> None:
        super().__init__(position=position)
        self.rack = rack

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        text = "the plugins of a stream can be neither copied nor saved; start a new stream and play its audio again"
        raise ConfigError(f"state of '{self.rack.name}': {text}")


class _Rack:
    """The plugins of a stream, one for each channel of each item, at the same sample.

    Args:
        effect: effect that makes the plugins.
        settings: initial settings of each item.
        channels: number of channels of each item.
        sample_rate: in Hz.
    """

    def __init__(self, effect: Plugin, settings: Sequence[Settings], channels: int, sample_rate: int) -> None:
        self.name, self.sample_rate, self.position = effect.name, sample_rate, 0
        self.plugins = [[effect.make(item) for _ in range(channels)] for item in settings]

    def run(self, x: np.ndarray, settings: Sequence[Settings]) -> np.ndarray:
        """Process the next samples (B, C, T)."""
        y = np.empty_like(x)
        for item, plugins in enumerate(self.plugins):
            for channel, plugin in enumerate(plugins):
                for name, value in settings[item].items():
                    setattr(plugin, name, value)
                samples = x[item, channel].astype(np.float32)
                # A plugin resets at a block longer than all previous ones; with single samples no block is longer.
                y[item, channel] = plugin.process(samples, self.sample_rate, buffer_size=1, reset=False)
        self.position += x.shape[-1]
        return y
