-- doctor_notify.sql: what the doctor tells itself; see doctor_listen.sql.
NOTIFY tidegate_doctor
