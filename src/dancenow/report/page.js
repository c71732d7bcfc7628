"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const film = byId("film"), scrub = byId("scrub"), now = byId("now"), play = byId("play"), player = byId("player");
  const times = data.time_s, last = times.length - 1;
  let at = 0;          // position in `times` of the picture that is shown or asked for
  let waiting = false; // a seek is under way

  const clock = (s) => {
    const hundredths = Math.round(100 * Math.max(s, 0)), minutes = Math.floor(hundredths / 6000);
    return `${minutes}:${(hundredths % 6000 / 100).toFixed(2).padStart(5, "0")}`;
  };
  /** Position of the last of the increasing `list` that is not after `value`. */
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
    if (film.readyState < 2) return;
    for (const { canvas, context, x } of panes) {
      context.drawImage(film, x, 0, canvas.width, canvas.height, 0, 0, canvas.width, canvas.height);
    }
  };

  const charts = [...document.querySelectorAll(".chart")].map((chart, index) => ({
    chart, cursor: chart.querySelector(".cursor"), here: chart.parentElement.querySelector(".here"),
    t: data.courses[index].t, v: data.courses[index].v, reach: data.courses[index].reach }));
  const tell = () => {
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
  const show = () => { draw(); tell(); };

  /** A picture's middle is asked for: its very beginning may be rounded into the picture before. */
  const middle = (i) => times[i] + 0.4 * ((i < last ? times[i + 1] : data.end_s) - times[i]);
  const go = (i) => {
    at = Math.min(Math.max(i, 0), last);
    waiting = true;
    film.currentTime = middle(at);
    tell();
  };
  const seek = (s) => go(before(times, s + 1e-3));
  const step = (by) => { film.pause(); go(at + by); };
  const toggle = () => { if (film.paused) film.play().catch(() => {}); else film.pause(); };

  const run = () => {
    if (!waiting) { at = before(times, film.currentTime + 1e-4); show(); }
    if (!film.paused) requestAnimationFrame(run);
  };
  film.addEventListener("play", () => {
    player.classList.add("playing");
    play.setAttribute("aria-label", "Pause");
    requestAnimationFrame(run);
  });
  film.addEventListener("pause", () => {
    player.classList.remove("playing");
    play.setAttribute("aria-label", "Play");
    if (!waiting) go(before(times, film.currentTime + 1e-4)); // stand on the picture, not between two
  });
  film.addEventListener("seeked", () => { waiting = false; show(); });
  film.addEventListener("loadeddata", show);
  film.addEventListener("error", () => {
    byId("trouble").textContent = "This browser cannot play the pictures (H.264 in MP4); open the file in another one.";
    byId("trouble").hidden = false;
  });

  play.addEventListener("click", toggle);
  byId("back").addEventListener("click", () => step(-1));
  byId("forward").addEventListener("click", () => step(1));
  byId("speed").addEventListener("change", (event) => { film.playbackRate = Number(event.target.value); });
  scrub.max = last;
  scrub.addEventListener("input", () => { film.pause(); go(Number(scrub.value)); });
  document.querySelector(".panes").addEventListener("click", toggle);
  for (const button of document.querySelectorAll("[data-time]")) {
    button.addEventListener("click", () => {
      film.pause();
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
      film.pause();
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

  // A blob can be searched in every browser; a data URI cannot in some.
  const bytes = atob(film.src.slice(film.src.indexOf(",") + 1));
  const buffer = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) buffer[i] = bytes.charCodeAt(i);
  document.documentElement.classList.add("js");
  film.controls = false;
  film.src = URL.createObjectURL(new Blob([buffer], { type: "video/mp4" }));
  tell();
})();
