package org.pocketbench.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.Before;
import org.junit.Test;

/** Whose job is run, and where its paths may lead. */
public class TrustTest {
    private File root;
    private File job;
    private final Map<String, JobFile.Status> told = new LinkedHashMap<>();

    @Before
    public void aJobOfTheShell() throws Exception {
        root = new File(Fakes.folder(), "pocketbench").getCanonicalFile();
        job = new File(root, "R1/job.json");
        assertTrue(job.getParentFile().mkdirs());
        Files.write(job.toPath(), "{}".getBytes(StandardCharsets.UTF_8));
    }

    private JobFile.Status status(File path) {
        String name = path.getName();
        return told.containsKey(name) ? told.get(name)
                : new JobFile.Status(2000, path.isDirectory() ? 0755 : 0644, path.isFile(), path.isDirectory());
    }

    private String read() throws Refused {
        return JobFile.trusted(job, root, this::status);
    }

    private void refused(String why) {
        Refused refused = assertThrows(Refused.class, this::read);
        assertTrue(refused.getMessage(), refused.getMessage().contains(why));
    }

    @Test
    public void theShellsOwnJobIsRead() throws Refused {
        assertEquals("{}", read());
        told.put("job.json", new JobFile.Status(0, 0600, true, false));
        assertEquals("{}", read());
    }

    @Test
    public void anAppsFileIsNotTrusted() {
        told.put("job.json", new JobFile.Status(10123, 0644, true, false));
        refused("belongs to user 10123");
    }

    @Test
    public void aFolderOfAnAppIsNotTrusted() {
        told.put("R1", new JobFile.Status(10123, 0755, false, true));
        refused("R1 is not trusted: it belongs to user 10123");
        told.put("R1", new JobFile.Status(2000, 0755, false, true));
        told.put("pocketbench", new JobFile.Status(10123, 0755, false, true));
        refused("belongs to user 10123");
    }

    @Test
    public void aLinkIsNotTrusted() {
        told.put("job.json", new JobFile.Status(2000, 0777, false, false));
        refused("not a plain file");
        told.clear();
        told.put("R1", new JobFile.Status(2000, 0755, false, false));
        refused("not a plain folder");
    }

    @Test
    public void whatOthersMayWriteIsNotTrusted() {
        told.put("job.json", new JobFile.Status(2000, 0664, true, false));
        refused("others may write");
        told.clear();
        told.put("R1", new JobFile.Status(2000, 0757, false, true));
        refused("others may write");
    }

    @Test
    public void aPathThatLeavesTheFolderIsNotTrusted() throws Exception {
        job = new File(root, "../a.tflite");
        refused("not below");
        File outside = new File(root.getParentFile(), "a.tflite");
        job = new File(root, "R1/linked.json");
        Files.createSymbolicLink(job.toPath(), outside.toPath());
        refused("not below");
    }

    @Test
    public void aPathSpelledInARoundaboutWayIsNotTrusted() {
        job = new File(root, "R1/../R1/job.json");
        told.put("..", new JobFile.Status(2000, 0755, false, true));
        File elsewhere = new File(root.getParentFile(), "x/../pocketbench/R1/job.json");
        assertTrue(new File(root.getParentFile(), "x").mkdir());
        job = elsewhere;
        refused("not spelled as a path below");
    }

    @Test
    public void aJobThatIsNotThereIsRefused() {
        job = new File(root, "R1/absent.json");
        assertThrows(Refused.class, this::read);
    }

    @Test
    public void aTextTooLargeOrNoTextIsNotRead() throws Exception {
        try (RandomAccessFile file = new RandomAccessFile(job, "rw")) {
            file.setLength(JobFile.MOST_BYTES + 1);
        }
        refused("more than 4194304");
        Files.write(job.toPath(), new byte[] {'"', (byte) 0xff, '"'});
        refused("not valid UTF-8");
    }

    @Test
    public void aRunsNameIsNoPath() throws Refused {
        assertEquals("run-1_B", JobFile.runName("run-1_B"));
        String tooLong = new String(new char[65]).replace('\0', 'a');
        for (String name : new String[] {null, "", "..", "a/b", "a b", "a.b", "\u00e4", tooLong}) {
            assertThrows(Refused.class, () -> JobFile.runName(name));
        }
    }

    @Test
    public void aConfinedFolderLetsNothingOut() throws Exception {
        File run = job.getParentFile();
        File store = new File(root, "store");
        File results = new File(root.getParentFile(), "results");
        assertTrue(store.mkdir() && results.mkdir());
        Folder folder = Folder.confined(run, results, store);
        assertEquals(new File(run, "job.json"), folder.resolve("job.json"));
        assertEquals(new File(store, "m"), folder.resolve(new File(store, "m").getPath()));
        assertEquals(new File(results, "out"), folder.output("out"));
        Files.createSymbolicLink(new File(run, "link").toPath(), new File("/etc/passwd").toPath());
        for (String path : new String[] {"../x", "/etc/passwd", "a/../../x", "link", store + "/../x", ""}) {
            assertThrows(path, Refused.class, () -> folder.resolve(path));
        }
        for (String path : new String[] {"../x", "/etc/x", store + "/x"}) {
            assertThrows(path, Refused.class, () -> folder.output(path));
        }
    }

    @Test
    public void anotherFileThanAskedForIsRefused() throws Exception {
        File file = new File(Fakes.folder(), "a.tflite");
        Sha256.check(file, Fakes.SHA256_OF_ABC);
        Refused refused = assertThrows(Refused.class, () -> Sha256.check(file, "00"));
        assertTrue(refused.getMessage(), refused.getMessage().contains("sha256 ba7816bf8f01..., expected 00..."));
        assertThrows(Refused.class, () -> Sha256.check(new File(file, "x"), "00"));
    }
}
