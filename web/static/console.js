// Comfort for pages that work without it: shortcuts, copying, selections, dialogs, messages.
"use strict";

(() => {
  document.documentElement.classList.add("script");
  const KEY = "atalhos";
  let waiting = "";

  const typing = (target) => target.closest("input, select, textarea, [contenteditable]") !== null;
  const rows = () => [...document.querySelectorAll("[data-row]")];

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const here = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.max(0, Math.min(all.length - 1, here + step))];
    (next.querySelector("a, button, input") || next).focus();
    next.scrollIntoView({ block: "nearest" });
  }

  function press(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target) && !["checkbox", "radio"].includes(event.target.type)) return;
    if (localStorage.getItem(KEY) === "off" && event.key !== "?") return;
    if (document.querySelector("dialog[open]")) return;
    const go = waiting === "g" ? document.querySelector(`[data-go="${CSS.escape(event.key)}"]`) : null;
    waiting = "";
    if (go) return void go.click();
    switch (event.key) {
      case "g": waiting = "g"; return;
      case "/": {
        const search = document.querySelector("input[type=search]");
        if (search) { event.preventDefault(); search.focus(); }
        return;
      }
      case "?": document.getElementById("atalhos")?.showModal(); return;
      case "j": return move(1);
      case "k": return move(-1);
      case "x": document.activeElement?.closest("[data-row]")?.querySelector("input[type=checkbox]")?.click(); return;
      default: {
        const key = `[data-key="${CSS.escape(event.key)}"]:not([disabled])`;
        const row = document.activeElement?.closest("[data-row]");
        const button = row?.querySelector(key) ?? document.querySelector(key);
        if (!button) return;
        event.preventDefault();
        button.click();
        if (button.type === "radio") (document.getElementById(button.dataset.then) ?? button).focus();
      }
    }
  }

  function say(text) {
    const line = document.createElement("p");
    line.textContent = text;
    document.getElementById("avisos")?.append(line);
    setTimeout(() => line.remove(), 8000);
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    say("Copiado.");
  }

  // What updates by itself waits while it would disturb: paused, out of sight, or text of it selected.
  const LIVE = "ao-vivo";
  const places = new Map();

  function disturbs(block) {
    const marked = window.getSelection();
    return document.hidden || (!marked.isCollapsed && marked.containsNode(block, true));
  }

  function keep(block) {
    for (const box of block.querySelectorAll("[data-keep]")) places.set(box.id, [box.scrollLeft, box.scrollTop]);
  }

  function settle(block) {
    for (const box of block.querySelectorAll("[data-keep]")) {
      if (places.has(box.id)) [box.scrollLeft, box.scrollTop] = places.get(box.id);
      else if ("end" in box.dataset) box.scrollLeft = box.scrollWidth;
    }
    for (const grid of block.querySelectorAll("[data-grid]")) rove(grid, document.activeElement);
    const told = block.querySelector("[data-tell]")?.dataset.tell;
    const line = document.getElementById("resumo");
    if (told !== undefined && line && line.textContent !== told) line.textContent = told;
  }

  // A grid of links is one stop for the Tab key; arrows move within it.
  function rove(grid, wanted) {
    const links = [...grid.querySelectorAll("a")];
    const chosen = links.includes(wanted) ? wanted : links.at(-1);
    for (const link of links) link.tabIndex = link === chosen ? 0 : -1;
  }

  function walk(grid, from, key) {
    const at = (cell, step) => {
      for (let next = cell; (next = step > 0 ? next.nextElementSibling : next.previousElementSibling); ) {
        if (next.querySelector("a")) return next.querySelector("a");
      }
    };
    const cell = from.closest("td");
    const line = [...cell.closest("tr").querySelectorAll("a")];
    const rows = [...grid.querySelectorAll("tr")];
    const step = key === "ArrowDown" ? 1 : -1;
    switch (key) {
      case "ArrowRight": return at(cell, 1);
      case "ArrowLeft": return at(cell, -1);
      case "Home": return line[0];
      case "End": return line.at(-1);
      default:
        for (let row = rows.indexOf(cell.closest("tr")); (row += step) in rows; ) {
          const found = rows[row].cells[cell.cellIndex]?.querySelector("a");
          if (found) return found;
        }
    }
  }

  function arrow(event) {
    const grid = event.target.closest?.("[data-grid]");
    if (!grid || !event.target.matches("a")) return;
    if (!["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const next = walk(grid, event.target, event.key);
    if (!next) return;
    rove(grid, next);
    next.focus();
  }

  document.addEventListener("keydown", arrow);
  document.addEventListener("keydown", press);
  document.addEventListener("click", (event) => {
    const copier = event.target.closest("[data-copy]");
    if (copier) return void copy(copier);
    const opener = event.target.closest("[data-dialog]");
    if (opener) { event.preventDefault(); document.getElementById(opener.dataset.dialog)?.showModal(); }
    const closer = event.target.closest("[data-close]");
    if (closer) { event.preventDefault(); closer.closest("dialog")?.close(); }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
    if (event.target.matches("[data-most]")) {
      const large = [...event.target.files].some((file) => file.size > Number(event.target.dataset.most));
      event.target.setCustomValidity(large ? "O arquivo passa do limite: divida-o em partes." : "");
    }
    if (event.target.matches("[data-all]")) {
      for (const box of document.querySelectorAll(event.target.dataset.all)) box.checked = event.target.checked;
    }
    if (event.target.id === LIVE) localStorage.setItem(LIVE, event.target.checked ? "on" : "off");
    if (event.target.id === "atalhos-ligados") {
      localStorage.setItem(KEY, event.target.checked ? "on" : "off");
    }
  });
  // What is typed beside a choice is the choice.
  document.addEventListener("input", (event) => {
    const choice = document.getElementById(event.target.dataset.picks);
    if (choice) choice.checked = true;
  });
  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });
  // An error's words are shown where the answer would have been.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status >= 400 && event.detail.xhr.status !== 401) event.detail.shouldSwap = true;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const block = event.detail.elt;
    if (!block.matches("[data-polled]") || event.detail.requestConfig.triggeringEvent?.type === "atualizar") return;
    if (localStorage.getItem(LIVE) === "off" || disturbs(block)) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => keep(event.detail.target));
  document.addEventListener("htmx:afterSwap", (event) => settle(event.detail.target ?? event.target));
  document.addEventListener("dizer", (event) => say(event.detail.value));
  document.addEventListener("DOMContentLoaded", () => {
    settle(document);
    const live = document.getElementById(LIVE);
    if (live) live.checked = localStorage.getItem(LIVE) !== "off";
    const box = document.getElementById("atalhos-ligados");
    if (box) box.checked = localStorage.getItem(KEY) !== "off";
  });
})();
