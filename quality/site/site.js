// The language switch, filters and sorting of tables, and who is signed in.  Without this file the pages show
// Chinese, whole and unsorted.
(function () {
  "use strict";
  var root = document.documentElement;
  var site = window.site = { user: null, mayDecide: false };

  // --- language: set before anything is painted ---
  function setLanguage(language) {
    root.dataset.language = language;
    root.lang = language === "zh" ? "zh-Hans" : "en";
    document.querySelectorAll("[data-set-language]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.setLanguage === language));
    });
    // a browser may refuse storage to pages from a folder
    try { localStorage.setItem("language", language); } catch (error) { /* chosen anew on each page */ }
    document.dispatchEvent(new Event("language"));
  }
  site.language = function () { return root.dataset.language; };
  var chosen = new URLSearchParams(location.search).get("language");
  try { chosen = chosen || localStorage.getItem("language"); } catch (error) { /* as above */ }
  if (chosen === "en") { setLanguage("en"); }

  // --- texts made by scripts: both languages, as the templates write them ---
  site.both = function (zh, en) {
    var pair = document.createDocumentFragment();
    [["zh-Hans", zh], ["en", en]].forEach(function (text) {
      var span = document.createElement("span");
      span.lang = text[0];
      span.textContent = text[1];
      pair.appendChild(span);
    });
    return pair;
  };

  // --- asking the server, where one serves the pages to somebody who is signed in ---
  site.post = function (path, body) {
    return fetch(root.dataset.root + "api/" + path, {
      method: "POST", credentials: "same-origin",
      headers: { "Content-Type": "application/json", "Accept": "application/json" }, body: JSON.stringify(body)
    }).then(function (answer) {
      return answer.json().catch(function () { return {}; }).then(function (told) {
        if (!answer.ok) {
          var error = new Error(typeof told.detail === "string" ? told.detail : "HTTP " + answer.status);
          error.zh = told.detail_zh || error.message;
          throw error;
        }
        return told;
      });
    });
  };
  site.tell = function (place, zh, en, bad) {
    place.textContent = "";
    place.className = bad ? "warn" : "done";
    place.appendChild(site.both(zh, en));
  };
  function mayPress(may) {
    document.querySelectorAll("[data-decide], [data-verdict]").forEach(function (button) { button.disabled = !may; });
  }
  function signIn(told) {
    site.user = told.user;
    site.mayDecide = told.may_decide;
    document.querySelectorAll("[data-user]").forEach(function (place) { place.textContent = told.user; });
    document.querySelectorAll("[data-signed-out]").forEach(function (part) { part.hidden = true; });
    document.querySelectorAll("[data-signed-in]").forEach(function (part) { part.hidden = false; });
    mayPress(told.may_decide);
    document.querySelectorAll("[data-no-role]").forEach(function (part) { part.hidden = told.may_decide; });
    document.dispatchEvent(new CustomEvent("signed-in", { detail: told }));
  }

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-set-language]").forEach(function (button) {
      button.addEventListener("click", function () { setLanguage(button.dataset.setLanguage); });
    });
    if (root.dataset.language === "en") { setLanguage("en"); }
    document.querySelectorAll("[data-filter]").forEach(filtered);
    document.querySelectorAll("table[data-sortable]").forEach(sortable);
    document.querySelectorAll("table.fold:not(#member-table)").forEach(function (table) {
      Array.prototype.forEach.call(table.tBodies[0].rows, function (row) { site.nameCells(row, table); });
    });
    // buttons that decide are off until scripts are ready, and where the pages are served, until it is known for whom
    mayPress(!root.hasAttribute("data-served"));
    if (root.hasAttribute("data-served")) {
      fetch(root.dataset.root + "api/me", { credentials: "same-origin" })
        .then(function (answer) { return answer.ok ? answer.json().then(signIn) : mayPress(true); })
        .catch(function () { mayPress(true); /* the pages are read all the same */ });
    }
  });

  function filtered(input) {
    var table = document.getElementById(input.dataset.filter);
    var count = document.querySelector('[data-count="' + input.dataset.filter + '"]');
    var rows = Array.prototype.map.call(table.tBodies[0].rows, function (row) {
      return { row: row, text: row.textContent.toLowerCase() };
    });
    input.addEventListener("input", function () {
      var words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      var shown = 0;
      rows.forEach(function (item) {
        var fits = words.every(function (word) { return item.text.indexOf(word) >= 0; });
        item.row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      count.textContent = words.length ? shown + " / " + rows.length : "";
    });
  }

  // --- tables that a phone shows as cards: each cell with the name of its column ---
  site.nameCells = function (row, table) {
    var names = table.tHead.rows[0].cells;
    if (row.cells.length !== names.length) { return; }  // a line that says that there is nothing
    Array.prototype.forEach.call(row.cells, function (cell, at) {
      if (!at) { return; }
      var name = document.createElement("span");
      name.className = "cell-name";
      name.setAttribute("aria-hidden", "true");
      names[at].querySelectorAll("span").forEach(function (text) { name.appendChild(text.cloneNode(true)); });
      cell.insertBefore(name, cell.firstChild);
    });
  };

  // --- sorting ---
  site.compare = function (a, b) {
    if (typeof a === "number" && typeof b === "number") { return a - b; }
    return String(a).localeCompare(String(b), "zh");
  };
  site.sortButton = function (head, onSort) {
    var button = document.createElement("button");
    button.type = "button";
    while (head.firstChild) { button.appendChild(head.firstChild); }
    head.appendChild(button);
    button.addEventListener("click", function () {
      var descending = head.getAttribute("aria-sort") === "ascending";
      Array.prototype.forEach.call(head.parentNode.cells, function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      onSort(descending);
    });
  };
  function sortKey(cell) {
    var value = cell.dataset.value;
    if (value === undefined) { return cell.textContent; }
    return value !== "" && !isNaN(value) ? Number(value) : value;
  }
  function sortable(table) {
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, place) {
      site.sortButton(head, function (descending) {
        var keyed = Array.prototype.map.call(table.tBodies[0].rows, function (row) {
          return { row: row, key: sortKey(row.cells[place]) };
        });
        keyed.sort(function (a, b) {
          var order = site.compare(a.key, b.key);
          return descending ? -order : order;
        });
        keyed.forEach(function (item) { table.tBodies[0].appendChild(item.row); });
      });
    });
  }
})();
