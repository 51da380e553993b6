SELECT gate, expectation, observed, success FROM quality.gate
WHERE build_id = (SELECT max(batch_id) FROM quality.outcome WHERE stage = 'publish' AND verdict = 'complete')
