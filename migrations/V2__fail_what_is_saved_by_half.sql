-- Called by statements that save several rows of a user, some of which somebody else has changed since they were loaded:
-- none of them is saved then.
CREATE FUNCTION overtaken() RETURNS INTEGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE serialization_failure USING MESSAGE = 'a row was not as it had been loaded';
END
$$;
