"""The kit: all that a Pulso service needs, without a word of any domain."""

__version__ = "0.1.0"
