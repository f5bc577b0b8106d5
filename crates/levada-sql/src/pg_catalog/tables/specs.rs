//! Which tables there are, and their columns: `table:column/kind column/kind …`.
//!
//! Source: the documentation of PostgreSQL 15, chapters «System Catalogs» and «The Information Schema».

pub(super) const PG_CATALOG: &[&str] = &[
    "pg_namespace:oid/i nspname/t nspowner/i nspacl/T",
    "pg_class:oid/i relname/t relnamespace/i reltype/i reloftype/i relowner/i relam/i relfilenode/i reltablespace/i \
     relpages/i reltuples/f relallvisible/i reltoastrelid/i relhasindex/b relisshared/b relpersistence/t relkind/t \
     relnatts/i relchecks/i relhasrules/b relhastriggers/b relhassubclass/b relrowsecurity/b relforcerowsecurity/b \
     relispopulated/b relreplident/t relispartition/b relrewrite/i relfrozenxid/i relminmxid/i relacl/T reloptions/T \
     relpartbound/T",
    "pg_attribute:attrelid/i attname/t atttypid/i attstattarget/i attlen/i attnum/i attndims/i attcacheoff/i \
     atttypmod/i attbyval/b attstorage/t attalign/t attcompression/t attnotnull/b atthasdef/b atthasmissing/b \
     attidentity/t attgenerated/t attisdropped/b attislocal/b attinhcount/i attcollation/i attacl/T attoptions/T \
     attfdwoptions/T attmissingval/T",
    "pg_type:oid/i typname/t typnamespace/i typowner/i typlen/i typbyval/b typtype/t typcategory/t typispreferred/b \
     typisdefined/b typdelim/t typrelid/i typsubscript/t typelem/i typarray/i typinput/t typoutput/t typreceive/t \
     typsend/t typmodin/t typmodout/t typanalyze/t typalign/t typstorage/t typnotnull/b typbasetype/i typtypmod/i \
     typndims/i typcollation/i typdefaultbin/T typdefault/T typacl/T",
    "pg_attrdef:oid/i adrelid/i adnum/i adbin/T",
    "pg_constraint:oid/i conname/t connamespace/i contype/t condeferrable/b condeferred/b convalidated/b conrelid/i \
     contypid/i conindid/i conparentid/i confrelid/i confupdtype/t confdeltype/t confmatchtype/t conislocal/b \
     coninhcount/i connoinherit/b conkey/T confkey/T conpfeqop/T conppeqop/T conffeqop/T conexclop/T conbin/T",
    "pg_index:indexrelid/i indrelid/i indnatts/i indnkeyatts/i indisunique/b indnullsnotdistinct/b indisprimary/b \
     indisexclusion/b indimmediate/b indisclustered/b indisvalid/b indcheckxmin/b indisready/b indislive/b \
     indisreplident/b indkey/t indcollation/t indclass/t indoption/t indexprs/T indpred/T",
    "pg_database:oid/i datname/t datdba/i encoding/i datlocprovider/t datistemplate/b datallowconn/b datconnlimit/i \
     datfrozenxid/i datminmxid/i dattablespace/i datcollate/t datctype/t daticulocale/T datcollversion/T datacl/T",
    "pg_roles:oid/i rolname/t rolsuper/b rolinherit/b rolcreaterole/b rolcreatedb/b rolcanlogin/b rolreplication/b \
     rolconnlimit/i rolpassword/T rolvaliduntil/T rolbypassrls/b rolconfig/T",
    "pg_user:usename/t usesysid/i usecreatedb/b usesuper/b userepl/b usebypassrls/b passwd/T valuntil/T useconfig/T",
    "pg_auth_members:roleid/i member/i grantor/i admin_option/b",
    "pg_am:oid/i amname/t amhandler/t amtype/t",
    "pg_description:objoid/i classoid/i objsubid/i description/t",
    "pg_shdescription:objoid/i classoid/i description/t",
    "pg_collation:oid/i collname/t collnamespace/i collowner/i collprovider/t collisdeterministic/b collencoding/i \
     collcollate/T collctype/T colliculocale/T collversion/T",
    "pg_inherits:inhrelid/i inhparent/i inhseqno/i inhdetachpending/b",
    "pg_policy:oid/i polname/t polrelid/i polcmd/t polpermissive/b polroles/t polqual/T polwithcheck/T",
    "pg_statistic_ext:oid/i stxrelid/i stxname/t stxnamespace/i stxowner/i stxstattarget/i stxkeys/t stxkind/t \
     stxexprs/T",
    "pg_publication:oid/i pubname/t pubowner/i puballtables/b pubinsert/b pubupdate/b pubdelete/b pubtruncate/b \
     pubviaroot/b",
    "pg_publication_rel:oid/i prpubid/i prrelid/i prqual/T prattrs/T",
    "pg_publication_namespace:oid/i pnpubid/i pnnspid/i",
    "pg_trigger:oid/i tgrelid/i tgparentid/i tgname/t tgfoid/i tgtype/i tgenabled/t tgisinternal/b tgconstrrelid/i \
     tgconstrindid/i tgconstraint/i tgdeferrable/b tginitdeferred/b tgnargs/i tgattr/t tgargs/T tgqual/T tgoldtable/T \
     tgnewtable/T",
    "pg_rewrite:oid/i rulename/t ev_class/i ev_type/t ev_enabled/t is_instead/b ev_qual/T ev_action/T",
    "pg_foreign_table:ftrelid/i ftserver/i ftoptions/T",
    "pg_foreign_server:oid/i srvname/t srvowner/i srvfdw/i srvtype/T srvversion/T srvacl/T srvoptions/T",
    "pg_foreign_data_wrapper:oid/i fdwname/t fdwowner/i fdwhandler/i fdwvalidator/i fdwacl/T fdwoptions/T",
    "pg_proc:oid/i proname/t pronamespace/i proowner/i prolang/i prokind/t prosecdef/b proleakproof/b proisstrict/b \
     proretset/b provolatile/t proparallel/t pronargs/i pronargdefaults/i prorettype/i proargtypes/t proallargtypes/T \
     proargmodes/T proargnames/T prosrc/t proacl/T",
    "pg_enum:oid/i enumtypid/i enumsortorder/f enumlabel/t",
    "pg_range:rngtypid/i rngsubtype/i rngmultitypid/i rngcollation/i rngsubopc/i rngcanonical/t rngsubdiff/t",
    "pg_depend:classid/i objid/i objsubid/i refclassid/i refobjid/i refobjsubid/i deptype/t",
    "pg_extension:oid/i extname/t extowner/i extnamespace/i extrelocatable/b extversion/t extconfig/T extcondition/T",
    "pg_tablespace:oid/i spcname/t spcowner/i spcacl/T spcoptions/T",
    "pg_sequence:seqrelid/i seqtypid/i seqstart/i seqincrement/i seqmax/i seqmin/i seqcache/i seqcycle/b",
    "pg_partitioned_table:partrelid/i partstrat/t partnatts/i partdefid/i partattrs/t partclass/t partcollation/t \
     partexprs/T",
    "pg_opclass:oid/i opcmethod/i opcname/t opcnamespace/i opcowner/i opcfamily/i opcintype/i opcdefault/b \
     opckeytype/i",
    "pg_operator:oid/i oprname/t oprnamespace/i oprowner/i oprkind/t oprleft/i oprright/i oprresult/i",
    "pg_language:oid/i lanname/t lanowner/i lanispl/b lanpltrusted/b lanacl/T",
    "pg_settings:name/t setting/t unit/T category/t short_desc/t context/t vartype/t source/t boot_val/T reset_val/T",
    "pg_tables:schemaname/t tablename/t tableowner/t tablespace/T hasindexes/b hasrules/b hastriggers/b rowsecurity/b",
    "pg_views:schemaname/t viewname/t viewowner/t definition/T",
    "pg_matviews:schemaname/t matviewname/t matviewowner/t tablespace/T hasindexes/b ispopulated/b definition/T",
    "pg_indexes:schemaname/t tablename/t indexname/t tablespace/T indexdef/T",
    "pg_stat_user_tables:relid/i schemaname/t relname/t",
];

pub(super) const INFORMATION_SCHEMA: &[&str] = &[
    "schemata:catalog_name/t schema_name/t schema_owner/t default_character_set_catalog/T \
     default_character_set_schema/T default_character_set_name/T sql_path/T",
    "tables:table_catalog/t table_schema/t table_name/t table_type/t self_referencing_column_name/T \
     reference_generation/T user_defined_type_catalog/T user_defined_type_schema/T user_defined_type_name/T \
     is_insertable_into/t is_typed/t commit_action/T",
    "columns:table_catalog/t table_schema/t table_name/t column_name/t ordinal_position/i column_default/T \
     is_nullable/t data_type/t character_maximum_length/I character_octet_length/I numeric_precision/I \
     numeric_precision_radix/I numeric_scale/I datetime_precision/I collation_name/T udt_catalog/t udt_schema/t \
     udt_name/t is_identity/t is_generated/t is_updatable/t",
    "views:table_catalog/t table_schema/t table_name/t view_definition/T check_option/t is_updatable/t \
     is_insertable_into/t",
    "table_constraints:constraint_catalog/t constraint_schema/t constraint_name/t table_catalog/t table_schema/t \
     table_name/t constraint_type/t is_deferrable/t initially_deferred/t enforced/t",
    "key_column_usage:constraint_catalog/t constraint_schema/t constraint_name/t table_catalog/t table_schema/t \
     table_name/t column_name/t ordinal_position/i position_in_unique_constraint/I",
    "referential_constraints:constraint_catalog/t constraint_schema/t constraint_name/t \
     unique_constraint_catalog/T unique_constraint_schema/T unique_constraint_name/T match_option/t update_rule/t \
     delete_rule/t",
    "routines:specific_catalog/t specific_schema/t specific_name/t routine_catalog/t routine_schema/t routine_name/t \
     routine_type/t data_type/T",
    "sequences:sequence_catalog/t sequence_schema/t sequence_name/t data_type/t",
];
