-- What belongs to a private repository says so itself, so that the lists of the pages find what is
-- public without walking over the rest. The database keeps that true, because rows come from
-- several places, and a place that forgot it would show what is private to everybody.
SET LOCAL lock_timeout = '5s';

CREATE FUNCTION take_privacy_of_repository() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.private := coalesce(
        (SELECT private FROM repositories WHERE id = NEW.repository_id), true);
    RETURN NEW;
END $$;

CREATE TRIGGER take_privacy BEFORE INSERT OR UPDATE OF repository_id ON runs
    FOR EACH ROW EXECUTE FUNCTION take_privacy_of_repository();
CREATE TRIGGER take_privacy BEFORE INSERT OR UPDATE OF repository_id ON mcp_packages
    FOR EACH ROW EXECUTE FUNCTION take_privacy_of_repository();

-- Deliveries go one way only: what came while a repository was private may tell of that time for
-- ever, and what came before it was made private is hidden with it. The events of an installation
-- name their repositories in the reason.
CREATE FUNCTION pass_privacy_of_repository_on() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    names text[] := ARRAY[lower(OLD.owner || '/' || OLD.name), lower(NEW.owner || '/' || NEW.name)];
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

CREATE TRIGGER pass_privacy_on AFTER UPDATE OF private ON repositories
    FOR EACH ROW WHEN (OLD.private <> NEW.private)
    EXECUTE FUNCTION pass_privacy_of_repository_on();
