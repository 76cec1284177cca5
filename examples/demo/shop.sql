-- What the demo's workflow works on: a small shop, owned by the role `shop`.
--
-- Each function does one thing that must happen once, and takes its time over it. It also counts its calls in a
-- sequence: no rollback undoes that, so a call that was interrupted shows, while its effect must not.

CREATE TABLE orders    (id integer PRIMARY KEY, item text NOT NULL, total integer NOT NULL);
CREATE TABLE notes     (order_id integer, note text);
CREATE TABLE stock     (item text PRIMARY KEY, reserved integer NOT NULL DEFAULT 0);
CREATE TABLE payments  (order_id integer, amount integer, paid_at timestamptz DEFAULT now());
CREATE TABLE shipments (order_id integer, courier text, shipped_at timestamptz DEFAULT now());
CREATE SEQUENCE reserve_calls;
CREATE SEQUENCE charge_calls;
CREATE SEQUENCE ship_calls;

INSERT INTO orders VALUES (41, 'pencil', 2), (42, 'telescope', 349);
INSERT INTO stock VALUES ('pencil'), ('telescope');

CREATE FUNCTION reserve(p_item text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('reserve_calls');
    UPDATE stock SET reserved = reserved + 1 WHERE item = p_item;
    PERFORM pg_sleep(1.5);
    RETURN 'reserved';
END $$;

CREATE FUNCTION charge(p_order integer, p_amount integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('charge_calls');
    INSERT INTO payments (order_id, amount) VALUES (p_order, p_amount);
    PERFORM pg_sleep(2);
    RETURN 'charged';
END $$;

CREATE FUNCTION ship(p_order integer, p_courier text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('ship_calls');
    INSERT INTO shipments (order_id, courier) VALUES (p_order, p_courier);
    RETURN format('order %s left with %s', p_order, p_courier);
END $$;

-- The workflow. It is a value: text that df.start() takes. {order} is a variable of whoever starts it.
CREATE FUNCTION fulfil() RETURNS text LANGUAGE sql AS $$
SELECT 'SELECT id, item, total FROM orders WHERE id = {order}' |=> 'order'
    ~> df."if"('SELECT $order.total > 100',
               'INSERT INTO notes VALUES ($order.id, ''checked by a human'')',
               'INSERT INTO notes VALUES ($order.id, ''small: not checked'')')
    ~> ('SELECT reserve($order.item)' & 'SELECT charge($order.id, $order.total)')
    ~> df.sleep(2)
    ~> (df.wait_for_signal('picked_up', 600) |=> 'pickup')
    ~> 'SELECT ship($order.id, $pickup.data::jsonb ->> ''courier'')'
$$;

CREATE VIEW effects AS
    SELECT 'reserve' AS step, (SELECT last_value FROM reserve_calls) AS called, (SELECT sum(reserved) FROM stock) AS took_effect
    UNION ALL SELECT 'charge', (SELECT last_value FROM charge_calls), (SELECT count(*) FROM payments)
    UNION ALL SELECT 'ship', (SELECT last_value FROM ship_calls), (SELECT count(*) FROM shipments);
