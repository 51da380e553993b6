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
        }).then(function (answer) {
          window.site.tell(told, "已记入：" + answer.who + "，" + answer.when, "Recorded: " + answer.who + ", " + answer.when);
        }, function (error) {
          window.site.tell(told, "未记入：" + error.message, "Not recorded: " + error.message, true);
        });
      });
    });
  });
})();
