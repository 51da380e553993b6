SELECT source_id, batch_id, name, about, expectation, minimum, maximum, observed, success, advice
FROM quality.batch_gate
ORDER BY source_id, batch_id, success, name, about
