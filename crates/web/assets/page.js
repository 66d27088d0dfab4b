// Comfort only: every page works without this file. It counts seconds on, keeps one confirm step open at a time, tells
// when the line is down, and takes in what the server sends while the page is open.
"use strict";

const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Seconds count on from what the server said, by this device's clock; its time of day does not matter.
const born = new WeakMap();
const words = (s) => {
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
};
const tick = () => {
  if (document.hidden) return;
  for (const place of all("[data-tick]")) {
    if (!born.has(place)) born.set(place, performance.now());
    const passed = Math.floor((performance.now() - born.get(place)) / 1000);
    const text = words(Number(place.dataset.tick) + passed);
    if (place.textContent !== text) place.textContent = text;
  }
};
setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);
tick();

// Times of day in the reader's own zone; what the server wrote, in UTC, stays with each as its tooltip.
const two = (n) => String(n).padStart(2, "0");
const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
const offset = (minutes) => minutes === 0 ? "UTC" : `UTC${minutes < 0 ? "−" : "+"}${Math.floor(Math.abs(minutes) / 60)}${minutes % 60 ? `:${two(Math.abs(minutes) % 60)}` : ""}`;
const clocks = (within = document) => {
  const today = day(new Date());
  for (const place of all("time[datetime]:not([title])", within)) {
    const at = new Date(place.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    place.title = `${place.dateTime.slice(0, 19).replace("T", " ")} UTC`;
    const date = day(at);
    place.textContent = `${date === today ? "" : `${date} `}${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  }
};
clocks();
const zone = document.getElementById("zone");
if (zone) {
  zone.textContent = `Times are your own, ${offset(-new Date().getTimezoneOffset())}.`;
}

// A confirm step: a fold with a red button inside. One at a time; Escape leaves it.
const steps = () => all("details").filter((fold) => find(".fire", fold));
const openStep = () => steps().find((fold) => fold.open);
document.addEventListener("toggle", (event) => {
  const fold = event.target;
  if (!(fold instanceof HTMLDetailsElement) || !find(".fire", fold)) return;
  if (fold.open) {
    for (const other of steps()) if (other !== fold && !other.contains(fold) && !fold.contains(other)) other.open = false;
  } else if (waiting && !openStep()) {
    refresh();
  }
}, true);
addEventListener("keydown", (event) => {
  const fold = event.key === "Escape" && openStep();
  if (!fold) return;
  fold.open = false;
  find("summary", fold).focus();
});
// A link to a confirm step opens it; browsers without this script scroll to it, and one touch more opens it.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  const form = link && document.getElementById(link.hash.slice(1));
  const fold = form && form.closest("details");
  if (fold) fold.open = true;
});

// A second touch on the same button must not send twice. Coming back to the page makes it whole again.
addEventListener("submit", (event) => {
  const pressed = event.submitter;
  if (pressed) setTimeout(() => { pressed.disabled = true; });
});
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const button of all("button:disabled")) button.disabled = false;
});

// The line.
const notice = document.createElement("p");
notice.className = "banner lit work";
notice.setAttribute("role", "status");
const say = (text, href) => {
  notice.replaceChildren();
  const lamp = document.createElement(href ? "a" : "span");
  lamp.className = "lamp work";
  lamp.textContent = text;
  if (href) lamp.href = href;
  notice.append(lamp);
  if (!notice.isConnected) find(".bar").after(notice);
};
const hush = () => notice.remove();
const lost = "Your line is down. What you see is old. Anything you started goes on.";
addEventListener("offline", () => say(lost));

// What comes in while the page is open.
const { stream, parts } = document.body.dataset;
let source = null;
let heard = performance.now();
let newest = 0;
let waiting = false;
let asked = null;
let trouble = null;

const part = (html) => {
  const shape = document.createElement("template");
  shape.innerHTML = html;
  clocks(shape.content);
  return shape.content;
};

// What the reader is at stays where it is on the screen, whatever comes in above it. Where the end of the timeline is in sight,
// that is the box below it: what comes in pushes the rows up, and never the box from under a finger.
const inView = (node) => {
  const box = node.getBoundingClientRect();
  return box.bottom > 0 && box.top < innerHeight;
};
const still = (change) => {
  const focus = document.activeElement;
  const middle = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
  const places = [focus === document.body ? null : focus, document.getElementById("say"), middle?.closest("#rows > li, [data-part]")];
  const anchor = places.find((node) => node && inView(node));
  const before = anchor?.getBoundingClientRect().top;
  const id = anchor?.id;
  change();
  const same = anchor?.isConnected ? anchor : id ? document.getElementById(id) : null;
  const moved = same ? same.getBoundingClientRect().top - before : 0;
  if (Math.abs(moved) > 0.5) scrollBy({ top: moved, behavior: "instant" });
};

// What can have the focus, in order, within the nearest place that has a name in both the old part and the new one.
const stops = "a[href], button, input:not([type=hidden]), textarea, summary, [tabindex]";
const refocus = (old, fresh) => {
  const at = document.activeElement;
  if (!old.contains(at)) return () => {};
  let home = at;
  while (home !== old && !(home.id && find(`#${CSS.escape(home.id)}`, fresh))) home = home.parentElement;
  const place = home === at ? -1 : all(stops, home).indexOf(at);
  return () => {
    const there = home === old ? fresh : document.getElementById(home.id);
    const same = place < 0 ? there : all(stops, there)[place];
    if (same && same.tagName === at.tagName) return same.focus({ preventScroll: true });
    // It is gone: the next Tab goes on from where it was.
    there.tabIndex = -1;
    there.focus({ preventScroll: true });
  };
};

// Replaces a part of the page and keeps what the reader has opened, chosen or scrolled there.
const replace = (fresh) => {
  const old = document.getElementById(fresh.id);
  if (!old) return;
  for (const fold of all("details[id]", old)) {
    const same = fold.open && find(`#${CSS.escape(fold.id)}`, fresh);
    if (same) same.open = true;
  }
  const focus = refocus(old, fresh);
  const top = old.scrollTop;
  old.replaceWith(fresh);
  fresh.scrollTop = top;
  focus();
};

const refresh = () => {
  clearTimeout(asked);
  asked = setTimeout(async () => {
    // Nobody's finger is moved under an open confirm step, and what it shows stays what they read: the server answers a
    // press that has become old with what has happened since.
    const step = openStep();
    if (step) {
      waiting = true;
      if (!find(".since", step)) {
        const told = document.createElement("p");
        told.className = "since small";
        told.setAttribute("role", "status");
        told.textContent = "Something has happened since you opened this. Close it to see, or press: you are told before anything is sent.";
        find(".fire", step).before(told);
      }
      return;
    }
    waiting = false;
    try {
      const answer = await fetch(parts, { credentials: "same-origin", headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const content = part(await answer.text());
      const title = find("title", content);
      if (title) document.title = title.textContent;
      still(() => { for (const fresh of all("[data-part]", content)) replace(fresh); });
      tick();
    } catch {
      // The stream tells when the line is down.
    }
  }, 250);
};

const onRow = (event) => {
  const { seq, html, fill, state, line, how } = JSON.parse(event.data);
  const log = document.getElementById("rows");
  if (seq && seq <= newest) return;
  if (seq) newest = seq;
  const content = part(html || "");
  still(() => {
    if (line) document.getElementById(line)?.replaceChildren(part(how));
    if (fill) document.getElementById(fill)?.replaceChildren(content);
    else if (typing && find(".words", content)) typing.textContent = "";
    if (!fill && log && content.firstElementChild && !document.getElementById(content.firstElementChild.id)) log.append(content);
  });
  if (state) refresh();
};

const onOutput = (event) => {
  const { command, text } = JSON.parse(event.data);
  const out = find(`[data-output="${Number(command)}"]`);
  if (!out) return;
  const atEnd = out.scrollHeight - out.scrollTop - out.clientHeight < 40;
  out.append(text);
  if (out.textContent.length > 262144) out.textContent = out.textContent.slice(-131072);
  if (atEnd) out.scrollTop = out.scrollHeight;
};

// What an agent says, as it comes; its row takes the place of it when it is whole.
const typing = document.getElementById("typing");
const onSays = (event) => {
  const { from, text } = JSON.parse(event.data);
  if (!typing) return;
  still(() => {
    if (from === 0) typing.textContent = "";
    else if (!typing.textContent) typing.textContent = "… ";
    typing.append(text);
  });
};

const onHead = (event) => {
  const content = part(JSON.parse(event.data).html);
  if (content.firstElementChild) still(() => replace(content.firstElementChild));
  tick();
};

const listen = () => {
  source?.close();
  const url = new URL(stream, location.href);
  if (newest) url.searchParams.set("after", newest);
  source = new EventSource(url);
  const alive = (then) => (event) => {
    heard = performance.now();
    then(event);
  };
  source.onopen = alive(() => {
    clearTimeout(trouble);
    trouble = null;
    hush();
  });
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) {
      // Refused for good, most likely logged out; an answer of another kind is tried again.
      say("This page is no longer live. Load it again, or log in again.", location.href);
      setTimeout(listen, 15000);
    } else {
      trouble ??= setTimeout(() => say(lost), 3000);
    }
  };
  source.addEventListener("row", alive(onRow));
  source.addEventListener("output", alive(onOutput));
  source.addEventListener("says", alive(onSays));
  source.addEventListener("head", alive(onHead));
  source.addEventListener("state", alive(refresh));
  source.addEventListener("beat", alive(() => {}));
};

if (stream && "EventSource" in window) {
  listen();
  // A phone that slept has a stream that only looks alive.
  const revive = () => {
    if (!document.hidden && performance.now() - heard > 40000) {
      heard = performance.now();
      listen();
      refresh();
    }
  };
  document.addEventListener("visibilitychange", revive);
  setInterval(revive, 10000);
  addEventListener("online", () => { listen(); refresh(); });
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) { listen(); refresh(); } });
}
