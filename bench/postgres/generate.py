"""Data of TPC-H's shape (tables, sizes and distributions alike; texts and seeds our own) as COPY text."""
import datetime
import random

NATIONS = ["ALGERIA", "ARGENTINA", "BRAZIL", "CANADA", "EGYPT", "ETHIOPIA", "FRANCE", "GERMANY", "INDIA", "INDONESIA", "IRAN", "IRAQ", "JAPAN",
           "JORDAN", "KENYA", "MOROCCO", "MOZAMBIQUE", "PERU", "CHINA", "ROMANIA", "SAUDI ARABIA", "VIETNAM", "RUSSIA", "UNITED KINGDOM", "UNITED STATES"]
NATION_REGION = [0, 1, 1, 1, 4, 0, 3, 3, 2, 2, 4, 4, 2, 4, 0, 0, 0, 1, 2, 3, 4, 2, 3, 3, 1]
REGIONS = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]
SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"]
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
MODES = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"]
INSTRUCTIONS = ["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]
TYPES = [["STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"], ["ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"], ["TIN", "NICKEL", "BRASS", "STEEL", "COPPER"]]
CONTAINERS = [["SM", "LG", "MED", "JUMBO", "WRAP"], ["CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM"]]
COLOURS = "almond antique aquamarine azure beige bisque black blanched blue blush brown burlywood chartreuse chiffon chocolate coral cornflower cream cyan dark deep dim dodger drab firebrick floral forest frosted gainsboro ghost goldenrod green grey honeydew hot indian ivory khaki lace lavender lawn lemon light lime linen magenta maroon".split()
WORDS = "quick silent final pending express regular special ironic even bold careful sly furious packages deposits accounts requests theodolites pinto beans foxes ideas platelets asymptotes Customer Complaints".split()

SCHEMA = """
CREATE TABLE region (r_regionkey int, r_name char(25), r_comment varchar(152));
CREATE TABLE nation (n_nationkey int, n_name char(25), n_regionkey int, n_comment varchar(152));
CREATE TABLE supplier (s_suppkey int, s_name char(25), s_address varchar(40), s_nationkey int, s_phone char(15), s_acctbal numeric(15,2), s_comment varchar(101));
CREATE TABLE part (p_partkey int, p_name varchar(55), p_mfgr char(25), p_brand char(10), p_type varchar(25), p_size int, p_container char(10), p_retailprice numeric(15,2), p_comment varchar(23));
CREATE TABLE partsupp (ps_partkey int, ps_suppkey int, ps_availqty int, ps_supplycost numeric(15,2), ps_comment varchar(199));
CREATE TABLE customer (c_custkey int, c_name varchar(25), c_address varchar(40), c_nationkey int, c_phone char(15), c_acctbal numeric(15,2), c_mktsegment char(10), c_comment varchar(117));
CREATE TABLE orders (o_orderkey int, o_custkey int, o_orderstatus char(1), o_totalprice numeric(15,2), o_orderdate date, o_orderpriority char(15), o_clerk char(15), o_shippriority int, o_comment varchar(79));
CREATE TABLE lineitem (l_orderkey int, l_partkey int, l_suppkey int, l_linenumber int, l_quantity numeric(15,2), l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag char(1), l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44));
"""
KEYS = """
ALTER TABLE region ADD PRIMARY KEY (r_regionkey);
ALTER TABLE nation ADD PRIMARY KEY (n_nationkey);
ALTER TABLE supplier ADD PRIMARY KEY (s_suppkey);
ALTER TABLE part ADD PRIMARY KEY (p_partkey);
ALTER TABLE partsupp ADD PRIMARY KEY (ps_partkey, ps_suppkey);
ALTER TABLE customer ADD PRIMARY KEY (c_custkey);
ALTER TABLE orders ADD PRIMARY KEY (o_orderkey);
ALTER TABLE lineitem ADD PRIMARY KEY (l_orderkey, l_linenumber);
CREATE INDEX ON nation (n_regionkey);
CREATE INDEX ON supplier (s_nationkey);
CREATE INDEX ON partsupp (ps_suppkey);
CREATE INDEX ON customer (c_nationkey);
CREATE INDEX ON orders (o_custkey);
CREATE INDEX ON lineitem (l_partkey, l_suppkey);
CREATE INDEX ON lineitem (l_suppkey);
ANALYZE;
"""


def generate(scale, folder, seed=7):
    """Writes <table>.tbl files, tab separated."""
    r = random.Random(seed)
    words = lambda n: " ".join(r.choice(WORDS) for _ in range(n))
    phone = lambda n: f"{10 + n}-{r.randint(100, 999)}-{r.randint(100, 999)}-{r.randint(1000, 9999)}"
    day = lambda n: (datetime.date(1992, 1, 1) + datetime.timedelta(days=n)).isoformat()
    suppliers, parts, customers, orders = int(10000 * scale), int(200000 * scale), int(150000 * scale), int(1500000 * scale)
    days = [day(i) for i in range(2700)]

    def write(name, rows):
        with open(f"{folder}/{name}.tbl", "w") as f:
            for row in rows:
                f.write("\t".join(map(str, row)) + "\n")
    write("region", ((i, n, words(5)) for i, n in enumerate(REGIONS)))
    write("nation", ((i, n, NATION_REGION[i], words(5)) for i, n in enumerate(NATIONS)))

    def supplier():
        for i in range(1, suppliers + 1):
            n = r.randrange(25)
            comment = words(6) if r.random() > 0.005 else "Customer " + words(2) + " Complaints"
            yield i, f"Supplier#{i:09}", words(2)[:40], n, phone(n), r.randint(-99999, 999999) / 100, comment
    write("supplier", supplier())
    price = [0] + [(90000 + (i // 10) % 20001 + 100 * (i % 1000)) / 100 for i in range(1, parts + 1)]
    write("part", ((i, " ".join(r.sample(COLOURS, 5)), f"Manufacturer#{1 + i % 5}", f"Brand#{1 + i % 5}{r.randint(1, 5)}",
                    " ".join(r.choice(t) for t in TYPES), r.randint(1, 50), " ".join(r.choice(c) for c in CONTAINERS), price[i], words(2)[:23]) for i in range(1, parts + 1)))
    supplier_of = lambda p, k: (p + k * (suppliers // 4 + (p - 1) // suppliers)) % suppliers + 1
    write("partsupp", ((p, supplier_of(p, k), r.randint(1, 9999), r.randint(100, 100000) / 100, words(10)) for p in range(1, parts + 1) for k in range(4)))

    def customer():
        for i in range(1, customers + 1):
            n = r.randrange(25)
            yield i, f"Customer#{i:09}", words(2)[:40], n, phone(n), r.randint(-99999, 999999) / 100, r.choice(SEGMENTS), words(8)
    write("customer", customer())
    with open(f"{folder}/orders.tbl", "w") as fo, open(f"{folder}/lineitem.tbl", "w") as fl:
        for i in range(orders):
            key = (i // 8) * 32 + i % 8 + 1
            cust = r.randint(1, customers)
            while cust % 3 == 0:
                cust = r.randint(1, customers)
            ordered = r.randrange(2406)
            total, open_lines, lines = 0, 0, r.randint(1, 7)
            for line in range(1, lines + 1):
                p = r.randint(1, parts)
                quantity = r.randint(1, 50)
                extended = quantity * price[p]
                discount, tax = r.randint(0, 10) / 100, r.randint(0, 8) / 100
                ship = ordered + r.randint(1, 121)
                commit, receipt = ordered + r.randint(30, 90), ship + r.randint(1, 30)
                is_open = ship > 1263 + 365
                returned = "N" if receipt > 1263 + 365 else r.choice("RA")
                open_lines += is_open
                total += extended * (1 + tax) * (1 - discount)
                fl.write(f"{key}\t{p}\t{supplier_of(p, r.randrange(4))}\t{line}\t{quantity}\t{extended:.2f}\t{discount}\t{tax}\t{returned}\t{'O' if is_open else 'F'}\t"
                         f"{days[ship]}\t{days[commit]}\t{days[receipt]}\t{r.choice(INSTRUCTIONS)}\t{r.choice(MODES)}\t{words(4)[:44]}\n")
            status = "O" if open_lines == lines else "F" if open_lines == 0 else "P"
            fo.write(f"{key}\t{cust}\t{status}\t{total:.2f}\t{days[ordered]}\t{r.choice(PRIORITIES)}\tClerk#{r.randint(1, max(1, int(1000 * scale))):09}\t0\t{words(6)[:79]}\n")
