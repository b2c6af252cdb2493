-- doctor_disk.sql: where a server on this machine keeps its data, for a role that may know it; NULL otherwise.
SELECT CASE
    WHEN (inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr())
        AND pg_has_role(current_user, 'pg_read_all_settings', 'MEMBER')
    THEN current_setting('data_directory')
END AS folder
