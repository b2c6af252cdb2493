-- doctor_listen.sql: hears what the doctor tells, on a channel of its own.
LISTEN tidegate_doctor
