-- One row per object of the cluster. Spec, status and meta are JSON, readable with
--   sqlite3 sc.sqlite "select kind, name, spec from objects"
-- The rules of that JSON: object_json.py. Raise the number below together with SCHEMA_VERSION in
-- sqlite_store.py when a release that knows only the old shape could not read the new one.
create table schema_version (
    version integer not null
) strict;
insert into schema_version (version) values (1);

-- The last resource version given to anybody; it only grows.
create table resource_version (
    last integer not null
) strict;
insert into resource_version (last) values (0);

create table objects (
    kind             text    not null,
    name             text    not null,
    uid              text    not null unique,
    resource_version integer not null unique,
    spec             text    not null check (json_valid(spec)),
    status           text    not null check (json_valid(status)),
    meta             text    not null check (json_valid(meta)),
    primary key (kind, name)
) strict;
