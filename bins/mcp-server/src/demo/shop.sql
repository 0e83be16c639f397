-- A small shop: what `mcp-server demo` lets an agent explore. Made anew at each start, always the
-- same numbers (setseed), so that answers can be compared.
BEGIN;
SELECT setseed(0.42);

CREATE TABLE customers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    email      text NOT NULL UNIQUE,
    country    text NOT NULL,
    signed_up  timestamptz NOT NULL
);
COMMENT ON TABLE customers IS 'People who have an account in the shop';
COMMENT ON COLUMN customers.country IS 'ISO 3166-1 alpha-2';

CREATE TABLE products (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku        text NOT NULL UNIQUE,
    name       text NOT NULL,
    category   text NOT NULL,
    price      numeric(10, 2) NOT NULL CHECK (price > 0),
    tags       text[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE products IS 'What the shop sells';
COMMENT ON COLUMN products.price IS 'Current price in euros; an order keeps the price it was made at';

CREATE TYPE order_status AS ENUM ('placed', 'paid', 'shipped', 'delivered', 'returned');

CREATE TABLE orders (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id),
    status      order_status NOT NULL,
    placed_at   timestamptz NOT NULL,
    shipped_at  timestamptz
);
COMMENT ON TABLE orders IS 'One purchase by one customer';
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_placed_at ON orders (placed_at);

CREATE TABLE order_items (
    order_id   bigint NOT NULL REFERENCES orders (id),
    line       integer NOT NULL,
    product_id bigint NOT NULL REFERENCES products (id),
    quantity   integer NOT NULL CHECK (quantity > 0),
    unit_price numeric(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line)
);
COMMENT ON TABLE order_items IS 'The lines of an order';
CREATE INDEX order_items_product ON order_items (product_id);

INSERT INTO customers (name, email, country, signed_up)
SELECT first || ' ' || last, lower(first || '.' || last || n) || '@example.com',
       (ARRAY['DE', 'FR', 'NL', 'PL', 'ES', 'IT', 'SE', 'AT'])[1 + floor(random() * 8)::int],
       timestamptz '2024-01-01 08:00+00' + random() * interval '600 days'
  FROM generate_series(1, 500) AS n,
       LATERAL (SELECT (ARRAY['Anna', 'Bruno', 'Clara', 'David', 'Elena', 'Felix', 'Greta', 'Hugo', 'Ida', 'Jan', 'Karin', 'Luca', 'Marta', 'Nils', 'Olga', 'Pavel'])[1 + n % 16] AS first,
                       (ARRAY['Novak', 'Weber', 'Moreau', 'Rossi', 'Jansen', 'Lindqvist', 'Garcia', 'Kowalski', 'Huber', 'Dubois', 'Bakker'])[1 + n % 11] AS last) AS names;

INSERT INTO products (sku, name, category, price, tags)
SELECT format('SKU-%s', lpad(n::text, 4, '0')), material || ' ' || thing, category,
       round((5 + random() * 195)::numeric, 2),
       CASE WHEN n % 7 = 0 THEN ARRAY['sale', lower(material)] ELSE ARRAY[lower(material)] END
  FROM generate_series(1, 120) AS n,
       LATERAL (SELECT (ARRAY['Oak', 'Steel', 'Linen', 'Glass', 'Cork', 'Wool'])[1 + n % 6] AS material,
                       (ARRAY['Table', 'Lamp', 'Shelf', 'Cushion', 'Bowl', 'Clock', 'Chair', 'Rug', 'Vase', 'Mirror'])[1 + n % 10] AS thing,
                       (ARRAY['furniture', 'lighting', 'furniture', 'textiles', 'kitchen', 'decoration', 'furniture', 'textiles', 'decoration', 'decoration'])[1 + n % 10] AS category) AS words;

INSERT INTO orders (customer_id, status, placed_at, shipped_at)
SELECT 1 + floor(random() * random() * 500)::bigint, status, placed,
       CASE WHEN status IN ('shipped', 'delivered', 'returned') THEN placed + (1 + random() * 4) * interval '1 day' END
  FROM generate_series(1, 2000) AS n,
       LATERAL (SELECT (ARRAY['placed', 'paid', 'shipped', 'delivered', 'delivered', 'delivered', 'returned']::order_status[])[1 + (n * 7 + n / 3) % 7] AS status,
                       timestamptz '2025-01-01 00:00+00' + n * interval '4 hours' AS placed) AS facts;

INSERT INTO order_items (order_id, line, product_id, quantity, unit_price)
SELECT o.id, line, p.id, 1 + ((o.id + line) % 3)::int, p.price
  FROM orders AS o
 CROSS JOIN LATERAL generate_series(1, 1 + (o.id % 4)::int) AS line
  JOIN products AS p ON p.id = 1 + (o.id * 31 + line * 17) % 120;

CREATE VIEW monthly_sales AS
SELECT date_trunc('month', o.placed_at) AS month, sum(i.quantity * i.unit_price) AS revenue,
       count(DISTINCT o.id) AS orders
  FROM orders AS o JOIN order_items AS i ON i.order_id = o.id
 WHERE o.status <> 'returned'
 GROUP BY 1;
COMMENT ON VIEW monthly_sales IS 'Revenue in euros and number of orders per month, returns left out';

-- The agent's own role: it reads these tables and nothing else.
CREATE ROLE agent LOGIN;
GRANT USAGE ON SCHEMA public TO agent;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO agent;
COMMIT;
ANALYZE;
