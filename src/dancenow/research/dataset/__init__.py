"""Datasets of single dancers: made in the studio, checked, described, packed into shards and read from them."""
