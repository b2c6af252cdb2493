-- circuit_hold.sql: locks the circuits that have permits out, so that what is counted next cannot change meanwhile (protocol C3).
SELECT name FROM tidegate.circuits WHERE permits > 0 ORDER BY name FOR UPDATE
