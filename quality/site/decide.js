// Decisions of somebody who is signed in: sent at once, checked and recorded by the server.
(function () {
  "use strict";
  document.querySelectorAll("[data-batch]").forEach(function (batch) {
    var told = batch.querySelector("[data-told]"), why = batch.querySelector("[data-why]");
    batch.querySelectorAll("[data-decide]").forEach(function (button) {
      button.addEventListener("click", function () {
        if (!why.value.trim()) { window.site.tell(told, "请先写明理由。", "Say why first.", true); why.focus(); return; }
        window.site.post("batch", {
          source_id: batch.dataset.source, batch_id: batch.dataset.batchId, decision: button.dataset.decide, why: why.value
        }).then(function (answer) { settled(batch, answer); }, failed(told));
      });
    });
    document.addEventListener("signed-in", function (event) {
      var found = (event.detail.batches || {})[batch.dataset.source + "/" + batch.dataset.batchId];
      if (found) { settled(batch, found); }
    });
  });

  var DECIDED = { accept: ["已接受", "accepted"], reject: ["已拒绝", "rejected"], superseded: ["已被取代", "superseded"] };
  function settled(batch, answer) {
    var names = DECIDED[answer.decision] || [answer.decision, answer.decision];
    batch.querySelectorAll("[data-decide]").forEach(function (button) { button.disabled = true; });
    window.site.tell(batch.querySelector("[data-told]"),
      names[0] + "：" + answer.who + "，" + answer.when + "，" + answer.why + (answer.next ? "。" + answer.next.zh + "。" : ""),
      names[1] + ": " + answer.who + ", " + answer.when + ", " + answer.why + (answer.next ? ". " + answer.next.en + "." : ""));
  }
  function failed(told) {
    return function (error) {
      window.site.tell(told, "未记入：" + (error.zh || error.message), "Not recorded: " + error.message, true);
    };
  }

  document.querySelectorAll("[data-waive]").forEach(function (form) {
    var told = form.querySelector("[data-told]");
    function send(path, body) {
      window.site.post(path, body).then(function (answer) {
        window.site.tell(told, "已记入：" + answer.who + "，" + answer.when + "；" + answer.next.zh,
          "Recorded: " + answer.who + ", " + answer.when + "; " + answer.next.en);
      }, failed(told));
    }
    function values() {
      return { rule: form.elements.rule.value, source_id: form.elements.source_id.value, why: form.elements.why.value };
    }
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      var body = values();
      body.until = form.elements.until.value;
      send("waiver", body);
    });
    form.querySelector("[data-decide=end]").addEventListener("click", function () {
      if (!form.elements.why.reportValidity()) { return; }
      send("waiver/end", values());
    });
  });
})();
