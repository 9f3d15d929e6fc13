package org.pocketbench.core;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** Checks that a file is the one that was asked for, before anything native parses it. */
public final class Sha256 {
    private Sha256() {}

    static void check(File file, String sha256) throws Refused {
        String found = of(file);
        if (!found.equals(sha256)) {
            throw new Refused(
                    file + " is not the file that was asked for: sha256 " + head(found) + ", expected " + head(sha256),
                    "it changed or was cut off on the way; make it anew");
        }
    }

    public static String of(File file) throws Refused {
        try (InputStream stream = new FileInputStream(file)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] part = new byte[65536];
            for (int count = stream.read(part); count >= 0; count = stream.read(part)) {
                digest.update(part, 0, count);
            }
            StringBuilder hex = new StringBuilder();
            for (byte value : digest.digest()) {
                hex.append(String.format("%02x", value));
            }
            return hex.toString();
        } catch (IOException error) {
            throw new Refused(file + " cannot be read: " + Refused.oneLine(error));
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error); // every Java has it
        }
    }

    private static String head(String sha256) {
        return sha256.substring(0, Math.min(12, sha256.length())) + "...";
    }
}
