-- $1 generation, $2 journal, $3 entities, $4 position: which of them were spoken of up to that position, in a fact or at either end of an edge.
-- OFFSET 0: a look into the index each, never a hash of all that was ever mentioned
SELECT k.entity
FROM unnest($3::text[]) AS k (entity)
WHERE EXISTS (SELECT 1 FROM projection.mentions m
              WHERE m.generation = $1 AND m.journal = $2 AND m.entity = k.entity AND m.position <= $4 OFFSET 0)
   OR EXISTS (SELECT 1 FROM projection.links l
              WHERE l.generation = $1 AND l.journal = $2 AND l.parent = k.entity AND l.position <= $4 OFFSET 0)
   OR EXISTS (SELECT 1 FROM projection.links l
              WHERE l.generation = $1 AND l.journal = $2 AND l.child = k.entity AND l.position <= $4 OFFSET 0)
