"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const video = byId("video"), scrub = byId("scrub"), now = byId("now"), play = byId("play"), player = byId("player");
  const times = data.time_s, last = times.length - 1;
  let at = 0;          // index in `times` of the frame that is shown or requested
  let waiting = false; // a seek is in progress

  const clock = (s) => {
    const hundredths = Math.round(100 * Math.max(s, 0)), minutes = Math.floor(hundredths / 6000);
    return `${minutes}:${(hundredths % 6000 / 100).toFixed(2).padStart(5, "0")}`;
  };
  /** Index of the last item of the sorted `list` that is at most `value`. */
  const before = (list, value) => {
    let low = 0, high = list.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (list[middle] <= value) low = middle; else high = middle - 1;
    }
    return low;
  };

  const panes = [...document.querySelectorAll("canvas[data-x]")].map((canvas) => (
    { canvas, context: canvas.getContext("2d", { alpha: false }), x: Number(canvas.dataset.x) }));
  const draw = () => {
    if (video.readyState < 2) return;
    for (const { canvas, context, x } of panes) {
      context.drawImage(video, x, 0, canvas.width, canvas.height, 0, 0, canvas.width, canvas.height);
    }
  };

  const charts = [...document.querySelectorAll(".chart")].map((chart, index) => ({
    chart, cursor: chart.querySelector(".cursor"), here: chart.parentElement.querySelector(".here"),
    t: data.charts[index].t, v: data.charts[index].v, reach: data.charts[index].reach }));
  const updateLabels = () => {
    const s = times[at], x = (1000 * s / data.end_s).toFixed(2);
    scrub.value = at;
    scrub.setAttribute("aria-valuetext", `${clock(s)}, frame ${data.frame[at]}`);
    now.textContent = `${clock(s)} / ${clock(data.end_s)} · frame ${data.frame[at]}`;
    for (const { cursor, here, t, v, reach } of charts) {
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      const i = before(t, s + 1e-3), known = Math.abs(s - t[i]) <= reach;
      here.textContent = known ? `now ${v[i]}` : "now –";
    }
  };
  const show = () => { draw(); updateLabels(); };

  /** Seek to the middle of a frame: its start may be rounded into the previous frame. */
  const middle = (i) => times[i] + 0.4 * ((i < last ? times[i + 1] : data.end_s) - times[i]);
  const goTo = (i) => {
    at = Math.min(Math.max(i, 0), last);
    waiting = true;
    video.currentTime = middle(at);
    updateLabels();
  };
  const seek = (s) => goTo(before(times, s + 1e-3));
  const step = (by) => { video.pause(); goTo(at + by); };
  const toggle = () => { if (video.paused) video.play().catch(() => {}); else video.pause(); };

  const run = () => {
    if (!waiting) { at = before(times, video.currentTime + 1e-4); show(); }
    if (!video.paused) requestAnimationFrame(run);
  };
  video.addEventListener("play", () => {
    player.classList.add("playing");
    play.setAttribute("aria-label", "Pause");
    requestAnimationFrame(run);
  });
  video.addEventListener("pause", () => {
    player.classList.remove("playing");
    play.setAttribute("aria-label", "Play");
    if (!waiting) goTo(before(times, video.currentTime + 1e-4)); // stop on a frame, not between two
  });
  video.addEventListener("seeked", () => { waiting = false; show(); });
  video.addEventListener("loadeddata", show);
  video.addEventListener("error", () => {
    byId("error-message").textContent = "This browser cannot play the video (H.264 in MP4); open the file in another one.";
    byId("error-message").hidden = false;
  });

  play.addEventListener("click", toggle);
  byId("back").addEventListener("click", () => step(-1));
  byId("forward").addEventListener("click", () => step(1));
  byId("speed").addEventListener("change", (event) => { video.playbackRate = Number(event.target.value); });
  scrub.max = last;
  scrub.addEventListener("input", () => { video.pause(); goTo(Number(scrub.value)); });
  document.querySelector(".panes").addEventListener("click", toggle);
  for (const button of document.querySelectorAll("[data-time]")) {
    button.addEventListener("click", () => {
      video.pause();
      seek(Number(button.dataset.time));
      player.scrollIntoView({ block: "nearest" });
    });
  }
  for (const { chart } of charts) {
    const follow = (event) => {
      const box = chart.getBoundingClientRect();
      seek(data.end_s * Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1));
    };
    chart.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      video.pause();
      chart.setPointerCapture(event.pointerId);
      follow(event);
    });
    chart.addEventListener("pointermove", (event) => { if (chart.hasPointerCapture(event.pointerId)) follow(event); });
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input")) return;
    const by = event.shiftKey ? Math.max(1, Math.round(data.fps)) : 1;
    if (event.key === " " && !event.target.closest("button, summary")) toggle();
    else if (event.key === "ArrowLeft") step(-by);
    else if (event.key === "ArrowRight") step(by);
    else if (event.key === "Home" && event.target.closest("#player")) step(-last);
    else if (event.key === "End" && event.target.closest("#player")) step(last);
    else return;
    event.preventDefault();
  });

  const chooser = byId("worst-by");
  if (chooser) {
    const choose = () => {
      for (const list of document.querySelectorAll("ol.worst")) list.hidden = list.id !== chooser.value;
    };
    chooser.addEventListener("change", choose);
    choose();
  }

  // A blob is seekable in every browser; a data URI is not in some.
  const bytes = atob(video.src.slice(video.src.indexOf(",") + 1));
  const buffer = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) buffer[i] = bytes.charCodeAt(i);
  document.documentElement.classList.add("js");
  video.controls = false;
  video.src = URL.createObjectURL(new Blob([buffer], { type: "video/mp4" }));
  updateLabels();
})();
