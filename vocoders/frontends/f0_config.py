"""Configuration of F0 trackers; nothing here computes."""

from typing import Literal

from pydantic import Field, model_validator

from vocoders.core.config import Config

__all__ = ["SWIFT_RANGE", "TRACKER_SECONDS", "F0Config", "F0Method"]

F0Method = Literal["harvest", "dio", "pyin", "swift", "mel"]

#: Seconds of one core for a second of speech at 24 kHz, measured; only for estimates.
TRACKER_SECONDS: dict[F0Method, float] = {"harvest": 0.2, "pyin": 0.12, "dio": 0.01, "swift": 0.006, "mel": 0.004}
#: Range of SwiftF0 in Hz.
SWIFT_RANGE = (46.875, 2093.75)
# Changes of the shipped estimator change this name, and with it the fingerprints of its F0.
_NAMES = {"mel": "mel-pitch-24k path"}


class F0Config(Config):
    """Configuration of an F0 tracker.

    Attributes:
        method: ``harvest``, ``dio``, ``pyin``, ``swift``, or ``mel``, the shipped
            :class:`~vocoders.frontends.mel_pitch.MelPitch` on the log-mel of the audio.
        f0_min: lowest F0 in Hz. The published Wavehax recipe sets the range per speaker (lower limits 55 to 400 Hz,
            upper 180 to 900 Hz) and takes 100 to 1000 Hz for speakers without an entry.
        f0_max: highest F0 in Hz.
        alignment: time of value n. ``frame_start`` is ``n * hop_length``, as in WORLD and the published recipe, half a
            hop before the centre of the mel frame; ``frame_center`` is that centre.
        refine: apply WORLD's StoneMask to the result (``harvest`` and ``dio``).
    """

    method: F0Method = "harvest"
    f0_min: float = Field(default=70.0, ge=20)
    f0_max: float = Field(default=1000.0, le=4000)
    alignment: Literal["frame_start", "frame_center"] = "frame_start"
    refine: bool = False

    @model_validator(mode="after")
    def _check(self) -> "F0Config":
        low, high = self.f0_min, self.f0_max
        if self.method == "swift":
            low, high = max(low, SWIFT_RANGE[0]), min(high, SWIFT_RANGE[1])
        if high < 1.1 * low:
            raise ValueError(
                f"f0_min {self.f0_min:g} Hz to f0_max {self.f0_max:g} Hz gives '{self.method}' the range {low:g} to "
                f"{high:g} Hz; the upper limit must be at least a tenth above the lower"
            )
        if self.refine and self.method not in ("harvest", "dio"):
            raise ValueError(f"refine is for harvest and dio, not for {self.method}")
        return self

    @property
    def fingerprint(self) -> str:
        """The front end in one line: equal lines mean the same F0."""
        tracker = _NAMES.get(self.method, self.method) + (" stonemask" if self.refine else "")
        return f"f0 {tracker} {self.f0_min:.10g}-{self.f0_max:.10g} Hz {self.alignment}"

    def by(self, method: F0Method) -> "F0Config":
        """Return the configuration with another tracker, refined by StoneMask if that is DIO, the less exact one."""
        if method == self.method:
            return self
        return F0Config.from_dict(self.to_dict() | {"method": method, "refine": method == "dio"}, "f0")
