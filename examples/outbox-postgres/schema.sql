-- Events that are to be published. Insert them in the transaction in which they happen.
CREATE TABLE outbox (
    position   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The event's id in Rung: however often the row is published, the event is accepted once.
    id         uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    tenant     text NOT NULL,
    type       text NOT NULL,
    data       jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Why Rung refuses it; such a row stays until somebody looks at it.
    refused    jsonb
);
CREATE INDEX outbox_due ON outbox (position) WHERE refused IS NULL;
