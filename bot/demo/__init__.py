"""``signoff demo``: the bot and the sandbox on this machine, to be lived in a browser or played by itself."""

from bot.demo.show import run

__all__ = ["run"]
