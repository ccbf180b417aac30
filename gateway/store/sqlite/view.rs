//! The views over the tables: what people and programs outside may read, as the pages promise it.

use super::{
    recognised,
    schema::{all_entries, attempts},
};

/// The views that are promised: `ledger`, an entry a row, and `feedback`, the latest value of each name.
pub(super) const PROMISED: &str = concat!(
    "CREATE VIEW ledger AS
       SELECT e.id AS id,
         CASE r.state WHEN 1 THEN 'settled' WHEN 2 THEN 'recovered' ELSE 'open' END AS state,
         e.started_at AS started_at, p.replica AS replica,
         e.caller_request_id AS caller_request_id, w.team AS team, w.\"key\" AS \"key\",
         lower(hex(e.\"user\")) AS \"user\", lower(hex(e.session)) AS session, e.tags AS tags,
         s.dialect AS dialect, s.operation AS operation, s.stream AS stream,
         s.requested_model AS requested_model, s.hinted AS hinted, s.language AS language,
         s.task AS task, e.language_confidence AS language_confidence,
         e.task_confidence AS task_confidence, s.needs AS needs,
         s.complexity AS complexity, ",
    recognised::of_entry!(),
    " AS contains, s.data_class AS data_class,
         e.input_tokens_estimate AS input_tokens_estimate,
         e.output_tokens_asked AS output_tokens_asked,
         e.output_tokens_bound AS output_tokens_bound, s.n AS n, printf('%u', e.draw) AS draw,
         s.rule AS rule, p.policy_version AS policy_version, p.policy_hash AS policy_hash,
         a.experiment AS experiment, a.version AS experiment_version,
         iif(x.unit IS NULL, NULL, lower(hex(x.unit))) AS unit, iif(x.seq IS NULL, NULL, a.arm) AS arm,
         h.request AS shadow_of, k.result AS cache, r.model AS model, r.endpoint AS endpoint,
         r.zone AS zone, ",
    attempts!(),
    ", c.input_tokens AS input_tokens, c.cached_input_tokens AS cached_input_tokens,
         c.cache_write_tokens AS cache_write_tokens, c.output_tokens AS output_tokens,
         c.reasoning_tokens AS reasoning_tokens, r.usage_source AS usage_source,
         p.price_version AS price_version, e.reserved_nano AS reserved_nano,
         coalesce(j.cost_nano_after, c.cost_nano) AS cost_nano,
         CASE WHEN c.cost_nano IS NOT NULL THEN rtrim(rtrim(printf('%s%d.%09d',
           iif(coalesce(j.cost_nano_after, c.cost_nano) < 0, '-', ''),
           abs(coalesce(j.cost_nano_after, c.cost_nano) / 1000000000),
           abs(coalesce(j.cost_nano_after, c.cost_nano) % 1000000000)), '0'), '.') END AS cost,
         k.saved_nano AS saved_nano, p.currency AS currency,
         c.first_token_us / 1000.0 AS first_token_ms, c.duration_us / 1000.0 AS duration_ms,
         c.gateway_us AS gateway_us, r.outcome AS outcome, r.failure_kind AS failure_kind FROM ",
    all_entries!(),
    " LEFT JOIN enrolled AS x ON x.seq = e.seq LEFT JOIN shadow AS h ON h.seq = e.seq
     LEFT JOIN cached AS k ON k.seq = e.seq
     LEFT JOIN arm AS a ON a.id = coalesce(x.arm, h.arm)
     LEFT JOIN adjustment AS j ON j.seq =
       (SELECT max(i.seq) FROM adjustment AS i WHERE i.entry = c.seq);
     CREATE VIEW feedback AS
       SELECT id, name, value, strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at,
         \"key\" FROM feedback_value;"
);
