// Decisions on doubtful pairs: gathered in this browser, downloaded as the CSV that `calis judge import` takes.
(function () {
  "use strict";
  var COLUMNS = ["left_source_id", "left_record_id", "right_source_id", "right_record_id", "verdict", "who", "when", "why"];
  var KEY = "calis-judgements";
  var who = document.getElementById("who");
  if (!who) { return; }
  var bar = document.getElementById("decided");
  var decided = {};

  function show(name, shown) { bar.querySelector("[data-" + name + "]").hidden = !shown; }

  // a browser may refuse storage to pages from a folder: then decisions last as long as the page
  function read(key) {
    try { return localStorage.getItem(key); } catch (error) { show("not-kept", true); return null; }
  }
  function keep() {
    try {
      // another page may have decided since: what this page decided goes over it, pair by pair
      localStorage.setItem(KEY, JSON.stringify(decided));
      localStorage.setItem(KEY + "-who", who.value);
    } catch (error) { show("not-kept", true); }
    count();
  }
  function load() {
    var kept = null;
    try { kept = JSON.parse(read(KEY) || "{}"); } catch (error) { kept = null; }
    decided = kept && typeof kept === "object" ? kept : {};
  }
  function verdicts() {
    return Object.keys(decided).map(function (key) { return decided[key]; })
      .filter(function (row) { return row.verdict !== "later"; });
  }
  function count() { bar.querySelector("[data-decided]").textContent = String(verdicts().length); }

  function idsOf(pair) {
    return {
      left_source_id: pair.dataset.leftSource, left_record_id: pair.dataset.leftRecord,
      right_source_id: pair.dataset.rightSource, right_record_id: pair.dataset.rightRecord
    };
  }
  function keyOf(pair) {
    var ids = idsOf(pair);
    return JSON.stringify(COLUMNS.slice(0, 4).map(function (name) { return ids[name]; }));
  }
  function paint(pair) {
    var row = decided[keyOf(pair)];
    pair.dataset.decided = row ? row.verdict : "";
    pair.querySelectorAll("[data-verdict]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(Boolean(row) && row.verdict === button.dataset.verdict));
    });
    if (row) { pair.querySelector("[data-why]").value = row.why; }
  }

  // somebody signed in decides on the server, which records it at once
  function send(pair, verdict, why) {
    var told = pair.querySelector("[data-told]");
    if (verdict === "later") { pair.dataset.decided = "later"; return; }
    if (!why.value.trim()) { window.site.tell(told, "请先写明理由。", "Say why first.", true); why.focus(); return; }
    var body = idsOf(pair);
    body.verdict = verdict;
    body.why = why.value;
    window.site.post("judgement", body).then(function (answer) {
      mark(pair, answer);
    }, function (error) {
      window.site.tell(told, "未记入：" + (error.zh || error.message), "Not recorded: " + error.message, true);
    });
  }
  function mark(pair, judged) {
    pair.dataset.decided = judged.verdict;
    pair.querySelectorAll("[data-verdict]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(judged.verdict === button.dataset.verdict));
    });
    var line = judged.who + "，" + judged.when;
    window.site.tell(pair.querySelector("[data-told]"), "已记入：" + line, "Recorded: " + judged.who + ", " + judged.when);
  }
  document.addEventListener("signed-in", function (event) {
    var judged = event.detail.judgements || {};
    pairs.forEach(function (pair) {
      var found = judged[keyOf(pair)];
      if (found) { mark(pair, found); }
    });
  });

  load();
  who.value = read(KEY + "-who") || "";
  var pairs = document.querySelectorAll("[data-pair]");
  pairs.forEach(function (pair) {
    var why = pair.querySelector("[data-why]");
    paint(pair);
    pair.querySelectorAll("[data-verdict]").forEach(function (button) {
      button.addEventListener("click", function () {
        if (window.site.user) { send(pair, button.dataset.verdict, why); return; }
        load();
        var key = keyOf(pair), row = decided[key];
        if (row && row.verdict === button.dataset.verdict) {
          delete decided[key];  // pressed again: taken back
        } else {
          decided[key] = idsOf(pair);
          decided[key].verdict = button.dataset.verdict;
          decided[key].when = new Date().toISOString();
          decided[key].why = why.value;
        }
        keep();
        paint(pair);
      });
    });
    why.addEventListener("change", function () {
      if (window.site.user) { return; }
      load();
      var row = decided[keyOf(pair)];
      if (row) { row.why = why.value; row.when = new Date().toISOString(); row.downloaded = false; keep(); }
    });
  });
  who.addEventListener("change", function () { load(); show("who-missing", false); keep(); });
  count();

  function cell(value) { return '"' + String(value).replace(/"/g, '""') + '"'; }
  bar.querySelector("[data-download]").addEventListener("click", function () {
    var name = who.value.trim();
    show("who-missing", !name);
    if (!name) { who.focus(); return; }
    load();
    var lines = verdicts().map(function (row) {
      var full = { who: name, why: row.why.trim() || "审核页判定 decided on the review page" };
      row.downloaded = true;
      return COLUMNS.map(function (column) { return cell(full[column] || row[column]); }).join(",");
    });
    keep();
    // the mark at the beginning tells spreadsheets that this is UTF-8
    var text = "\ufeff" + COLUMNS.join(",") + "\r\n" + lines.join("\r\n") + (lines.length ? "\r\n" : "");
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = "judgements-" + new Date().toISOString().slice(0, 19).replace(/[:T-]/g, "") + ".csv";
    document.body.appendChild(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  });
  bar.querySelector("[data-forget]").addEventListener("click", function () {
    load();
    Object.keys(decided).forEach(function (key) { if (decided[key].downloaded) { delete decided[key]; } });
    keep();
    pairs.forEach(paint);
  });
})();
