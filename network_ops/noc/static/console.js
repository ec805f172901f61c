/* Keeps a page live: one stream of events, ages that go on counting, keys. Every page works without it. */
"use strict";
(() => {
  const body = document.body;
  const topics = body.dataset.topics;
  const badge = document.getElementById("live");
  const SILENT_MS = 12000;
  const HIDDEN_MS = 60000;
  const words = { up: "UP", degraded: "DEGRADED", down: "DOWN", unknown: "UNKNOWN" };
  const hubWords = { ...words, down: "ISOLATED" };
  let source = null;
  let heard = 0;
  let offset = 0; // server's clock minus ours, in milliseconds
  let hiddenSince = 0;

  const clockText = (ms) => new Date(ms).toISOString().slice(11, 19) + " UTC";
  const serverNow = () => Date.now() + offset;

  function ageText(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    const two = (n) => String(n).padStart(2, "0");
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  }

  function setText(node, text) {
    if (node && node.textContent !== text) node.textContent = text;
  }

  function showAges() {
    const now = serverNow();
    setText(document.getElementById("clock"), clockText(now));
    for (const node of document.querySelectorAll("time[data-age]")) {
      setText(node, ageText((now - Date.parse(node.dateTime)) / 1000));
    }
  }

  function showLive(alive) {
    if (!badge) return;
    badge.dataset.live = alive ? "yes" : "no";
    setText(badge, alive ? "LIVE" : heard ? `STALE since ${clockText(heard + offset)}` : "NOT LIVE");
  }

  // -- the map ------------------------------------------------------------------------------------------------

  let knownSites = false;
  function showSites(states) {
    let changed = false;
    for (const [id, state] of Object.entries(states)) {
      const mark = document.getElementById(`s-${id}`);
      if (!mark || !(state in words)) continue;
      const word = (mark.classList.contains("hub") ? hubWords : words)[state];
      const label = mark.getAttribute("aria-label").replace(/: [A-Z]+$/, `: ${word}`);
      if (mark.getAttribute("aria-label") === label) continue;
      changed = true;
      mark.setAttribute("aria-label", label);
      if (mark.classList.contains("hub")) {
        mark.setAttribute("class", `hub s-${state}`);
        mark.querySelector(".inner").setAttribute("href", `#shape-${state}`);
        continue;
      }
      mark.querySelector("use").setAttribute("href", `#shape-${state}`);
      if (state === "up") mark.setAttribute("tabindex", "-1");
      else mark.removeAttribute("tabindex");
      document.getElementById(`sites-${state}`).append(mark); // the groups are drawn worst last
      mark.classList.add("sites-changed");
      setTimeout(() => mark.classList.remove("sites-changed"), 2000);
    }
    // The first frame of a stream is the whole world and says nothing new to a page just loaded.
    if (changed || knownSites) tell("noc:sites");
    knownSites = true;
  }

  const map = document.getElementById("map");
  const tip = document.getElementById("tip");
  function showTip(event) {
    const mark = event.target.closest("#map a");
    if (!mark) {
      tip.hidden = true;
      return;
    }
    setText(tip, mark.getAttribute("aria-label"));
    tip.hidden = false;
    const box = map.parentElement.getBoundingClientRect();
    const at = mark.getBoundingClientRect();
    const middle = at.left + at.width / 2 - box.left;
    tip.style.left = `${Math.max(4, Math.min(middle - tip.offsetWidth / 2, box.width - tip.offsetWidth - 4))}px`;
    const above = at.top - box.top - tip.offsetHeight - 6;
    tip.style.top = `${above > 0 ? above : at.bottom - box.top + 6}px`;
  }
  if (map && tip) {
    for (const name of ["pointerover", "focusin"]) map.addEventListener(name, showTip);
    for (const name of ["pointerleave", "focusout"]) map.addEventListener(name, () => { tip.hidden = true; });
  }

  // -- the room there is --------------------------------------------------------------------------------------

  const narrow = matchMedia("(max-width: 700px)");
  const stacked = matchMedia("(max-width: 1000px)");
  const fold = document.querySelector("details.fold");
  function foldFilter() {
    if (fold) fold.open = !narrow.matches;
  }

  // The wallboard shows as many alerts as fit above the lower edge, and says how many do not.
  function fitWall() {
    const list = [...document.querySelectorAll(".wall-list li")];
    const note = document.querySelector(".wall-alerts .more");
    if (!note || !list.length) return;
    for (const item of list) item.hidden = false;
    note.hidden = false;
    const edge = innerHeight - note.offsetHeight - 24; // the margins above and below it
    const fits = (item, at) => (stacked.matches ? at < 8 : at < 3 || item.getBoundingClientRect().bottom + scrollY <= edge);
    const shown = list.filter(fits);
    for (const item of list) item.hidden = !shown.includes(item);
    const more = list.length - shown.length + Number(note.dataset.more);
    note.hidden = !more;
    setText(note, `and ${more} more`);
  }
  narrow.addEventListener("change", foldFilter);
  addEventListener("resize", fitWall);
  foldFilter();
  fitWall();

  // -- the stream ---------------------------------------------------------------------------------------------

  let told = {};
  function tell(name) {
    // Parts with their own address (filtered lists) fetch themselves again, at most once a second.
    if (told[name]) return;
    told[name] = setTimeout(() => {
      delete told[name];
      if (!document.hidden) body.dispatchEvent(new CustomEvent(name));
    }, 1000);
  }

  function onTick(event) {
    offset = Date.parse(event.data) - Date.now();
    alive();
  }
  function alive() {
    heard = Date.now();
    showLive(true);
  }
  function onTopic(event) {
    alive();
    for (const node of document.querySelectorAll(`[data-topic="${event.type}"]`)) {
      if (node.dataset.last === event.data) continue;
      node.innerHTML = event.data; // rendered and escaped by our own server
    }
    fitWall();
    showAges();
  }

  function connect() {
    if (!topics || source) return;
    source = new EventSource(`/events?topics=${encodeURIComponent(topics)}`);
    source.addEventListener("tick", onTick);
    source.addEventListener("sites", (event) => { alive(); showSites(JSON.parse(event.data)); });
    source.addEventListener("alerts", (event) => { alive(); body.dataset.open = event.data; tell("noc:alerts"); });
    for (const name of ["health", "counts", "regions", "panel", "wallboard"]) source.addEventListener(name, onTopic);
  }
  function disconnect() {
    if (source) source.close();
    source = null;
  }

  function watch() {
    const now = Date.now();
    if (!badge) return showAges();
    if (document.hidden && hiddenSince && now - hiddenSince > HIDDEN_MS) {
      // A browser opens six connections at most to one server: hidden tabs must not keep theirs.
      disconnect();
    } else if (now - heard > SILENT_MS) {
      if (heard || source?.readyState === EventSource.CLOSED) showLive(false);
      if (!source || source.readyState === EventSource.CLOSED || now - heard > 3 * SILENT_MS) {
        disconnect();
        connect();
      }
    } else if (source?.readyState === EventSource.CLOSED) {
      disconnect();
      connect();
    }
    showAges();
  }

  document.addEventListener("visibilitychange", () => {
    hiddenSince = document.hidden ? Date.now() : 0;
    if (!document.hidden) {
      connect();
      showAges();
    }
  });
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  const clock = document.getElementById("clock");
  if (clock) offset = Date.parse(clock.dateTime) - Date.now();
  connect();
  setInterval(watch, 1000);

  // -- keys and the form ---------------------------------------------------------------------------------------

  const dialog = document.getElementById("ack");
  const help = document.getElementById("help");
  let selected = "";
  const rows = () => [...document.querySelectorAll("table.alerts tbody tr")];
  function select(row) {
    for (const other of document.querySelectorAll("tr.selected")) {
      other.classList.remove("selected");
      other.removeAttribute("aria-selected");
    }
    if (!row) return;
    selected = row.id;
    row.classList.add("selected");
    row.setAttribute("aria-selected", "true");
  }
  function step(by) {
    const all = rows();
    const at = all.findIndex((row) => row.id === selected);
    select(all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))]);
    current()?.scrollIntoView({ block: "nearest" });
  }
  const current = () => document.querySelector("tr.selected");

  function showHelp() {
    if (help.innerHTML.trim()) help.showModal();
    else htmx.ajax("GET", "/help", { target: "#help" }); // shown when it has come
  }

  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input, textarea, select");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat && field?.closest(".ack-form")) {
      field.form.requestSubmit();
      event.preventDefault();
      return;
    }
    if (event.key === "Escape" && field && !dialog?.open) field.blur();
    if (field || dialog?.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const filter = document.getElementById("filter-text");
    if (help?.open) {
      if (event.key !== "?") return;
      help.close();
    } else if (event.key === "?" && help) showHelp();
    else if (event.key === "/" && filter) {
      if (fold) fold.open = true;
      filter.focus();
      filter.select();
    }
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "Enter" && current() && !event.target.closest("a, button")) location.assign(current().dataset.href);
    else if (event.key === "a" && current() && dialog) htmx.ajax("GET", current().dataset.href, { target: "#ack" });
    else return;
    event.preventDefault();
  });

  body.addEventListener("htmx:afterSwap", (event) => {
    const target = event.detail.target;
    if (target?.matches("dialog") && target.innerHTML.trim() && !target.open) target.showModal();
    showAges();
  });
  // Not before it has settled: until then htmx puts the attributes back that the server sent.
  body.addEventListener("htmx:afterSettle", () => { if (selected) select(document.getElementById(selected)); });
  body.addEventListener("noc:acknowledged", () => {
    dialog.close();
    body.dispatchEvent(new CustomEvent("noc:alerts"));
  });
  body.addEventListener("htmx:responseError", (event) => {
    if (dialog?.open) {
      const note = document.createElement("p");
      note.className = "note bad";
      note.setAttribute("role", "alert");
      try { note.textContent = JSON.parse(event.detail.xhr.responseText).error; } catch { note.textContent = `The console refused (${event.detail.xhr.status}).`; }
      dialog.prepend(note);
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
    if (event.target === help) help.close(); // its backdrop; a form with words in it is not closed that easily
  });
})();
