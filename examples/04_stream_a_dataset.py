"""Stream shuffled clips from shards and resume after a stop. Usage: python 04_stream_a_dataset.py SHARDS STATE.json"""

import json
import sys
from itertools import islice
from pathlib import Path

from dancenow.research.dataset.shards import ShardedClips, Shards

shards, state_file = Shards.open(Path(sys.argv[1])), Path(sys.argv[2])
train_entries = [entry for entry in shards.dataset.entries if entry.part("person") == "train"]
clips = ShardedClips(shards, entries=train_entries, seed=0, buffer=16)
if state_file.exists():
    clips.load_state_dict(json.loads(state_file.read_text()))
for clip in islice(clips, 4):
    print(f"{clip.entry.key}: {clip.entry.num_frames} frames, {', '.join(clip.files)}")
state_file.write_text(json.dumps(clips.state_dict()))
