"""Kills, full disks, damage and two commands at once: what dancenow survives, measured."""
