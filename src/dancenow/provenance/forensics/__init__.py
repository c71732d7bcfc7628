"""The forensic classifier: detect whether the person in a video is synthesized."""
