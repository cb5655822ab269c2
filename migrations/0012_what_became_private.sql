-- A repository that is made private hides what came under its former names, too, and what comes
-- after that of the time before, when GitHub is asked to send a missed delivery once more.
SET LOCAL lock_timeout = '5s';

CREATE OR REPLACE FUNCTION pass_privacy_of_repository_on() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    names text[] := ARRAY[lower(OLD.owner || '/' || OLD.name), lower(NEW.owner || '/' || NEW.name)]
        || ARRAY(SELECT full_name FROM former_names WHERE repository_id = NEW.id);
BEGIN
    UPDATE runs SET private = NEW.private
        WHERE repository_id = NEW.id AND private <> NEW.private;
    UPDATE mcp_packages SET private = NEW.private
        WHERE repository_id = NEW.id AND private <> NEW.private;
    IF NEW.private THEN
        UPDATE deliveries SET private = true
            WHERE NOT private AND lower(repository) = ANY(names);
        UPDATE deliveries SET private = true
            WHERE NOT private AND event IN ('installation', 'installation_repositories')
              AND EXISTS (SELECT FROM unnest(names) AS name
                          WHERE strpos(lower(deliveries.reason), name) > 0);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION hide_delivery_of_private_repository() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.private := NEW.private
        OR EXISTS (SELECT FROM repositories
                   WHERE lower(owner || '/' || name) = lower(NEW.repository) AND private
                     AND state = 'active')
        OR EXISTS (SELECT FROM former_names f JOIN repositories r ON r.id = f.repository_id
                   WHERE f.full_name = lower(NEW.repository) AND r.private);
    RETURN NEW;
END $$;

CREATE TRIGGER take_privacy BEFORE INSERT ON deliveries
    FOR EACH ROW WHEN (NEW.repository IS NOT NULL AND NOT NEW.private)
    EXECUTE FUNCTION hide_delivery_of_private_repository();
