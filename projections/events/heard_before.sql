-- $1 generation, $2 journal, $3 entities, $4 position: which of them were heard of up to that position: known, by a fact or as the
-- parent of an edge, or else as the child of one.
-- OFFSET 0: a look into the index each, never a hash of all that was ever mentioned
SELECT k.entity, k.known
FROM (SELECT entity,
             EXISTS (SELECT 1 FROM projection.mentions m
                     WHERE m.generation = $1 AND m.journal = $2 AND m.entity = u.entity AND m.position <= $4 OFFSET 0)
          OR EXISTS (SELECT 1 FROM projection.links l
                     WHERE l.generation = $1 AND l.journal = $2 AND l.parent = u.entity AND l.position <= $4 OFFSET 0) AS known
      FROM unnest($3::text[]) AS u (entity)
      OFFSET 0) k
WHERE k.known
   OR EXISTS (SELECT 1 FROM projection.links l
              WHERE l.generation = $1 AND l.journal = $2 AND l.child = k.entity AND l.position <= $4 OFFSET 0)
