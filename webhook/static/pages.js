// What the pages do beyond HTML: ages that grow, lists that refresh, a log that follows its run.
// Text from the server is only ever put in as text, or as HTML that the server rendered itself.
"use strict";

const SECOND = 1000;
const MOST_LINES = 5000;

// Ages and durations

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS = [[60, "second"], [60, "minute"], [24, "hour"], [7, "day"], [4.35, "week"], [12, "month"], [Infinity, "year"]];

function ago(moment) {
  let distance = (moment - Date.now()) / SECOND;
  if (Math.abs(distance) < 3) return "now";
  for (const [size, unit] of STEPS) {
    if (Math.abs(distance) < size) return relative.format(Math.round(distance), unit);
    distance /= size;
  }
}

function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const moment = new Date(time.dateTime);
    setText(time, ago(moment));
    time.title = moment.toLocaleString();
  }
  for (const span of document.querySelectorAll("[data-since]")) {
    setText(span, duration((Date.now() - new Date(span.dataset.since)) / SECOND));
  }
}

// Copying

function offerCopies(root) {
  if (!navigator.clipboard) return; // Browsers give it to secure pages only.
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2 * SECOND);
});

// Parts of a page that are loaded again

async function reload(region) {
  if (busy(region)) return region;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(region.id);
  if (!fresh || busy(region)) return region;
  region.replaceWith(fresh);
  offerCopies(fresh);
  tick();
  return fresh;
}

// Nothing is taken away from under a reader's cursor, focus or selection.
function busy(region) {
  if (region.contains(document.activeElement)) return true;
  const selection = getSelection();
  return !selection.isCollapsed && region.contains(selection.anchorNode);
}

function keepFresh(region) {
  const pause = Number(region.dataset.refresh) * SECOND;
  let waits = pause;
  const again = async () => {
    if (!document.hidden && !busy(region)) {
      try {
        region = await reload(region);
        waits = pause;
      } catch {
        waits = Math.min(waits * 2, 60 * SECOND);
      }
    }
    setTimeout(again, waits);
  };
  setTimeout(again, waits);
}

// The log of a run

class Log {
  constructor(element) {
    this.element = element;
    this.cursor = element.dataset.cursor;
    this.following = true;
    this.follow = document.getElementById("follow");
    this.trouble = document.getElementById("log-trouble");
    this.waits = SECOND;
    for (const lines of element.querySelectorAll(".lines")) this.watch(lines);
    this.toEnd();
  }

  start() {
    this.follow.hidden = false;
    this.follow.addEventListener("click", () => this.setFollowing(!this.following));
    this.poll();
  }

  async poll() {
    let answer = null;
    try {
      const response = await fetch(`${this.element.dataset.src}?after=${this.cursor}`);
      if (!response.ok) throw new Error(String(response.status));
      answer = await response.json();
    } catch {
      this.waits = Math.min(this.waits * 2, 15 * SECOND);
      setText(this.trouble, "Sigil does not answer; trying again.");
      setTimeout(() => this.poll(), this.waits);
      return;
    }
    setText(this.trouble, "");
    this.waits = document.hidden ? 5 * SECOND : SECOND;
    this.append(answer.lines);
    this.cursor = answer.cursor;
    const current = await this.showVersion(answer.version);
    if (answer.finished && !answer.more && current) this.end();
    else setTimeout(() => this.poll(), answer.more ? 0 : this.waits);
  }

  // Returns whether the summary shows that version: a reader may be in the middle of it.
  async showVersion(version) {
    const summary = document.getElementById("summary");
    if (summary.dataset.version === version) return true;
    try {
      const fresh = await reload(summary);
      return fresh.dataset.version === version;
    } catch {
      return false;
    }
  }

  append(lines) {
    if (!lines.length) return;
    document.getElementById("no-log").hidden = true;
    for (const line of lines) {
      const row = document.createElement("div");
      row.className = "line";
      row.title = new Date(line.at).toLocaleTimeString();
      row.textContent = line.text;
      this.section(line.stage).append(row);
    }
    this.shorten();
    for (const details of this.element.children) {
      const number = details.querySelector(".lines").childElementCount;
      setText(details.querySelector(".count"), `${number} line${number === 1 ? "" : "s"}`);
    }
    if (this.following) this.toEnd();
  }

  section(stage) {
    const known = [...this.element.children].find((child) => child.dataset.stage === stage);
    if (known) return known.querySelector(".lines");
    // The stage before is done: fold it, unless the reader is looking at it.
    if (this.following) {
      for (const details of this.element.children) {
        if (!details.contains(document.activeElement)) details.open = false;
      }
    }
    const details = document.createElement("details");
    details.className = "stage-log";
    details.dataset.stage = stage;
    details.open = true;
    const summary = document.createElement("summary");
    const name = document.createElement("span");
    name.textContent = stage;
    const count = document.createElement("span");
    count.className = "quiet count";
    summary.append(name, " ", count);
    const lines = document.createElement("div");
    lines.className = "lines";
    lines.tabIndex = 0;
    lines.setAttribute("role", "log");
    lines.setAttribute("aria-live", "polite");
    lines.setAttribute("aria-label", `Log of ${stage}`);
    details.append(summary, lines);
    this.element.append(details);
    this.watch(lines);
    return lines;
  }

  // A browser slows down with too many rows; the whole log is one link away.
  shorten() {
    let extra = this.element.querySelectorAll(".line").length - MOST_LINES;
    for (const row of this.element.querySelectorAll(".line")) {
      if (extra-- <= 0) break;
      row.remove();
    }
  }

  // Scrolling up is how a reader says "stop following"; scrolling to the end, "go on".
  watch(lines) {
    lines.addEventListener("scroll", () => {
      if (lines !== this.last()) return;
      this.setFollowing(lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24);
    });
  }

  last() {
    const sections = this.element.querySelectorAll("details[open] > .lines");
    return sections[sections.length - 1];
  }

  setFollowing(following) {
    if (this.following === following) return;
    this.following = following;
    this.follow.setAttribute("aria-pressed", String(following));
    if (following) this.toEnd();
  }

  toEnd() {
    const lines = this.last();
    if (lines) lines.scrollTop = lines.scrollHeight;
  }

  end() {
    this.element.dataset.finished = "yes";
    this.follow.hidden = true;
    for (const lines of this.element.querySelectorAll(".lines")) lines.setAttribute("aria-live", "off");
  }
}

// A form that only passes on what was filled in on the page before

for (const form of document.querySelectorAll("form[data-pass-on]")) form.requestSubmit();

// A key stands behind the # of a printed link, so that no server's log has it

function takeKey() {
  const field = document.querySelector("input[data-key]");
  if (!field || location.hash.length < 2) return;
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  field.form.requestSubmit();
}
takeKey();
addEventListener("hashchange", takeKey);

tick();
setInterval(tick, SECOND);
offerCopies(document);
for (const region of document.querySelectorAll("[data-refresh]")) keepFresh(region);
const logElement = document.getElementById("log");
if (logElement) {
  const log = new Log(logElement);
  if (logElement.dataset.finished === "no") log.start();
}
