"""The history of an event has at most 51 steps: older ones are folded into one that counts them."""

from chassis.database.migrations import execute_script

revision = "0005"
down_revision = "0004"

# The first step stays, since it says when the event was made. From 50 on, the next-oldest fold into the second, down to
# 40: so most steps cost no more than an append.
CREATE = """
CREATE FUNCTION add_to_history(history jsonb, step jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_array_length(history) < 50 THEN history || step ELSE (
        SELECT jsonb_build_array(history -> 0, jsonb_build_object(
                'at', history -> folded.last -> 'at', 'status', history -> folded.last -> 'status',
                'cause', folded.steps || ' earlier steps', 'steps', folded.steps))
            || (SELECT jsonb_agg(kept.each ORDER BY kept.number)
                FROM jsonb_array_elements(history) WITH ORDINALITY AS kept (each, number)
                WHERE kept.number > folded.last + 1)
            || step
        FROM (SELECT (max(old.number) - 1)::integer AS last, sum(coalesce((old.each ->> 'steps')::integer, 1)) AS steps
              FROM jsonb_array_elements(history) WITH ORDINALITY AS old (each, number)
              WHERE old.number > 1 AND old.number <= jsonb_array_length(history) - 38) AS folded
    ) END
$$;
"""


def upgrade() -> None:
    execute_script(CREATE)
