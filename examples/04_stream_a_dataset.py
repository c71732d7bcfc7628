"""Clips out of shards, shuffled, and gone on with after a stop. Usage: python 04_stream_a_dataset.py SHARDS STATE.json"""

import json
import sys
from itertools import islice
from pathlib import Path

from dancenow.research.dataset.shards import ShardedClips, Shards

shards, kept = Shards.open(Path(sys.argv[1])), Path(sys.argv[2])
learnt_from = [entry for entry in shards.dataset.entries if entry.part("person") == "train"]
clips = ShardedClips(shards, entries=learnt_from, seed=0, buffer=16)
if kept.exists():
    clips.load_state_dict(json.loads(kept.read_text()))
for clip in islice(clips, 4):
    print(f"{clip.entry.key}: {clip.entry.num_frames} frames, {', '.join(clip.files)}")
kept.write_text(json.dumps(clips.state_dict()))
