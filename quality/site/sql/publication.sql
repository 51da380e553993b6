SELECT batch_id, ended_at FROM quality.outcome
WHERE stage = 'publish' AND verdict = 'complete' ORDER BY ended_at DESC LIMIT 1
