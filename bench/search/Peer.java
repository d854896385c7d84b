// Lucene's side of bench/search, in one process and one thread: Peer index CORPUS DIRECTORY, Peer query DIRECTORY QUERIES ROUNDS.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.lucene.analysis.CharArraySet;
import org.apache.lucene.analysis.standard.StandardAnalyzer;
import org.apache.lucene.document.*;
import org.apache.lucene.index.*;
import org.apache.lucene.search.*;
import org.apache.lucene.search.similarities.BM25Similarity;
import org.apache.lucene.store.MMapDirectory;

public class Peer {
  static void index(String corpus, Path directory) throws IOException {
    try (MMapDirectory dir = new MMapDirectory(directory)) {
      IndexWriterConfig config = new IndexWriterConfig(new StandardAnalyzer(CharArraySet.EMPTY_SET));
      config.setOpenMode(IndexWriterConfig.OpenMode.CREATE);
      config.setSimilarity(new BM25Similarity());
      config.setRAMBufferSizeMB(48);
      config.setMergeScheduler(new SerialMergeScheduler());
      config.setUseCompoundFile(false);  // so that the stored source can be told from the index
      config.getMergePolicy().setNoCFSRatio(0);
      long started = System.nanoTime();
      int n = 0;
      try (IndexWriter writer = new IndexWriter(dir, config);
           BufferedReader in = new BufferedReader(new InputStreamReader(new FileInputStream(corpus), StandardCharsets.UTF_8), 1 << 16)) {
        for (String line; (line = in.readLine()) != null; n++) {
          int tab = line.indexOf('\t');
          int num = Integer.parseInt(line.substring(0, tab));
          String body = line.substring(tab + 1);
          Document d = new Document();
          d.add(new StringField("id", Integer.toString(n), Field.Store.YES));
          d.add(new NumericDocValuesField("idv", n));
          d.add(new IntPoint("num", num));
          d.add(new NumericDocValuesField("num", num));
          d.add(new TextField("body", body, Field.Store.NO));
          d.add(new StoredField("source", line));
          writer.addDocument(d);
        }
        writer.commit();
      }
      double seconds = (System.nanoTime() - started) / 1e9;
      long bytes = 0, stored = 0;
      for (String f : dir.listAll()) {
        bytes += dir.fileLength(f);
        if (f.endsWith(".fdt") || f.endsWith(".fdx") || f.endsWith(".fdm")) stored += dir.fileLength(f);
      }
      int segments = DirectoryReader.open(dir).leaves().size();
      System.out.println("{\"documents\":" + n + ",\"seconds\":" + seconds + ",\"index_bytes\":" + (bytes - stored) + ",\"stored_bytes\":" + stored + ",\"segments\":" + segments + "}");
    }
  }

  static Query parse(String kind, String[] w) {
    BooleanQuery.Builder b = new BooleanQuery.Builder();
    switch (kind) {
      case "term": return new TermQuery(new Term("body", w[0]));
      case "and": for (String x : w) b.add(new TermQuery(new Term("body", x)), BooleanClause.Occur.MUST); return b.build();
      case "or": for (String x : w) b.add(new TermQuery(new Term("body", x)), BooleanClause.Occur.SHOULD); return b.build();
      case "phrase": return new PhraseQuery("body", w);
      case "prefix": return new PrefixQuery(new Term("body", w[0]));
      case "fuzzy": return new FuzzyQuery(new Term("body", w[0]), w[0].length() > 5 ? 2 : 1);
      default:
        b.add(new TermQuery(new Term("body", w[0])), BooleanClause.Occur.MUST);
        b.add(IntPoint.newRangeQuery("num", Integer.parseInt(w[1]), Integer.parseInt(w[2])), BooleanClause.Occur.FILTER);
        return b.build();
    }
  }

  static void query(Path directory, String file, int rounds) throws IOException {
    try (MMapDirectory dir = new MMapDirectory(directory); DirectoryReader reader = DirectoryReader.open(dir)) {
      IndexSearcher searcher = new IndexSearcher(reader);
      searcher.setSimilarity(new BM25Similarity());
      searcher.setQueryCache(null);  // every run is a run
      List<String[]> items = new ArrayList<>();
      List<Query> queries = new ArrayList<>();
      for (String line : Files.readAllLines(Paths.get(file))) {
        String[] parts = line.split("\t", 2);
        items.add(parts);
        queries.add(parse(parts[0], parts[1].split(" ")));
      }
      int warm = Math.max(20, rounds);  // the compiler needs more of it than the caches do
      double[][] us = new double[items.size()][rounds];
      TopDocs[] tops = new TopDocs[items.size()];
      for (int round = 0; round < warm + rounds; round++) {
        for (int i = 0; i < queries.size(); i++) {
          long t = System.nanoTime();
          TopDocs top = searcher.search(queries.get(i), 10);
          double taken = (System.nanoTime() - t) / 1e3;
          if (round >= warm) us[i][round - warm] = taken;
          tops[i] = top;
        }
      }
      StringBuilder out = new StringBuilder("{\"segments\":" + reader.leaves().size() + ",\"queries\":[");
      for (int i = 0; i < items.size(); i++) {
        Arrays.sort(us[i]);
        out.append(i == 0 ? "" : ",").append("{\"kind\":\"").append(items.get(i)[0]).append("\",\"text\":\"").append(items.get(i)[1]).append("\",\"us\":").append(us[i][rounds / 2]).append(",\"top\":[");
        for (int k = 0; k < tops[i].scoreDocs.length; k++) {
          ScoreDoc s = tops[i].scoreDocs[k];
          out.append(k == 0 ? "" : ",").append("[").append(searcher.doc(s.doc, Collections.singleton("id")).get("id")).append(",").append(s.score).append("]");
        }
        out.append("]}");
      }
      System.out.println(out.append("]}"));
    }
  }

  public static void main(String[] a) throws IOException {
    if (a[0].equals("index")) index(a[1], Paths.get(a[2]));
    else query(Paths.get(a[1]), a[2], Integer.parseInt(a[3]));
  }
}
