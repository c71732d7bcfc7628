"""Datasets of single dancers: render, validate, describe, pack into shards, and stream."""
