"""Telling people who touch apart: whose pixels are whose, so that each can be looked at without the others."""
