SELECT source_id, batch_id, decision, who, why, decided_at FROM quality.decision ORDER BY decided_at
