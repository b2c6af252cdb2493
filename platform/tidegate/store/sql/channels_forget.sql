-- channels_forget.sql: channels that no leader has had in its settings for long.
DELETE FROM tidegate.notification_channels WHERE seen_at < clock_timestamp() - %(age)s * interval '1 second'
