-- People choose passwords; a workspace has exactly one primary user.
ALTER TABLE team_member ADD COLUMN password TEXT;       -- Argon2id, as a PHC string; none until one was chosen
CREATE UNIQUE INDEX team_member_primary ON team_member (workspace_id) WHERE is_primary;
