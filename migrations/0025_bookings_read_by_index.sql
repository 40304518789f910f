-- When a resource's places are taken is read from the index alone.
DROP INDEX booking_seat_resource;
CREATE INDEX booking_seat_busy ON booking_seat (workspace_id, resource_id, ends_at, starts_at, held_until, booking_id);

-- Zone data are remembered by their publisher's count from now on.
UPDATE booking_zone_data SET version = '';
