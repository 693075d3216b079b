"""Tests of the kit (`pulso`): what it promises, also while things break."""
