"""What the loss modules share: they hold settings and no state."""

from __future__ import annotations

from typing import Any

from torch import nn


class Loss(nn.Module):  # type: ignore[misc]
    """A module of settings, without parameters, that prints them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        for name, value in settings.items():
            setattr(self, name, value)
        self._names = tuple(settings)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings as the keyword arguments of the function of the same name."""
        return {name: getattr(self, name) for name in self._names}

    def extra_repr(self) -> str:
        """As PyTorch prints modules."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
