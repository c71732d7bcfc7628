"""`dancenow live`: the person of a model does what a camera sees, at once.

The work is in `dancenow.live`.
"""

from pathlib import Path
from typing import Literal

import tyro


def live(
    model: tyro.conf.Positional[Path],
    source: str = "0",
    port: int = 7861,
    lag: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Show the person of MODEL doing what a camera sees.

    - Open the address that it prints. It is for this machine alone.
    - Every picture is marked as synthetic, on it and in its pixels.
    - Frames are dropped when this machine is too slow.

    Args:
        model: File that `dancenow train` wrote.
        source: Number of a camera, or a video file.
        port: Port to listen on.
        lag: Later frames that smooth a pose.
            More is steadier, and later.
        device: Where to compute; auto uses the GPU if there is one.
    """
    from dancenow.cli import console
    from dancenow.errors import OptionError
    from dancenow.execution import Execution
    from dancenow.live.live_transfer import create_player
    from dancenow.live.sources import live_frames
    from dancenow.live.stream import LiveStream

    if not 0 <= lag <= 10 or not 0 <= port < 65536:
        raise OptionError("--lag must be from 0 to 10, and --port from 0 to 65535.")
    player = create_player(model, Execution.auto(device), lag)
    stream = LiveStream(port, player.meter)
    with stream.served():
        frames = f"{lag} frame{'s' * (lag != 1)}"
        console.message(f"watch it at {stream.address} (stop it with Ctrl-C); poses look {frames} ahead")
        player.play(live_frames(source), stream.show)
    median_ms, worst_ms = player.meter.latency_ms
    console.message(f"{player.meter.fps:.1f} frames a second, {median_ms:.0f} ms late (95%: {worst_ms:.0f} ms)")
