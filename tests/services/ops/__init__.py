"""Tests of the ops service."""
